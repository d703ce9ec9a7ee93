//! Can names be looked up?

use std::net::IpAddr;

use super::{Check, Look};
use crate::{
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Effect, Finding, Remedy, Severity, Spot, Step},
        mend::Mend,
        question::{Destination, Question},
        scene::{Stack, StackId},
        way::Purpose,
    },
    firewall::Transport,
    operation::Operation,
    place::Entrance,
    resolver::ResolvConf,
};

pub(super) const CHECK: Check = Check {
    question: "Can names be looked up?",
    codes: &[&RESOLVER_EMPTY, &RESOLVER_ON_LOOPBACK, &RESOLVER_SILENT, &NAMES_OFF, &NAME_UNKNOWN],
    look: Look::Afterwards(look),
};

static RESOLVER_EMPTY: Code = Code {
    name: "resolver-empty",
    title: "No name server is configured",
    symptom: "'Temporary failure in name resolution', or 'could not resolve host'; addresses work.",
    cause: "'resolv.conf' is missing or has no 'nameserver' line. Then the C library asks 127.0.0.1, where nobody listens.",
    remedy: "Give the netns servers of its own: 'netns-tool dns NETNS SERVER', or '--from-host'. It writes \
             /etc/netns/NETNS/resolv.conf, which 'ip netns exec' and 'netns-tool exec' put in place of the host's.",
    example: "mkdir -p /etc/netns/red; : > /etc/netns/red/resolv.conf\nnetns-tool doctor red        # resolver-empty\n\
              netns-tool dns red --from-host",
};

static RESOLVER_ON_LOOPBACK: Code = Code {
    name: "resolver-on-loopback",
    title: "The name server is on the host's loopback address",
    symptom: "Inside, names fail and addresses work; on the host both work. 'resolv.conf' says 'nameserver 127.0.0.53'.",
    cause: "The netns reads the host's resolv.conf, which names a stub on the host itself (systemd-resolved, dnsmasq). Inside, a \
            loopback address is the netns' own, and nobody listens there.",
    remedy: "Give the netns the servers behind the stub: 'netns-tool dns NETNS --from-host', or others by address.",
    example: "mkdir -p /etc/netns/red; echo nameserver 127.0.0.53 > /etc/netns/red/resolv.conf\nnetns-tool doctor red        # resolver-on-loopback\nnetns-tool dns red --from-host",
};

static RESOLVER_SILENT: Code = Code {
    name: "resolver-silent",
    title: "A name server does not answer",
    symptom: "Names fail, or take five seconds each; other addresses answer.",
    cause: "The server is down, does not serve this network, or UDP port 53 is filtered on the way. If it is an address of the host, \
            the host's own filter (INPUT) has to let port 53 in from the bridge.",
    remedy: "Name another server: 'netns-tool dns NETNS SERVER'; or open port 53 (UDP and TCP) for the netns.",
    example: "netns-tool dns red 192.0.2.53    # nobody is there\nnetns-tool doctor red example.com   # resolver-silent\n\
              netns-tool dns red --from-host",
};

static NAMES_OFF: Code = Code {
    name: "names-off",
    title: "Names are not looked up by DNS at all",
    symptom: "'dig' and 'nslookup' find the name, all other programs do not.",
    cause: "The line 'hosts:' of /etc/nsswitch.conf has neither 'dns' nor 'resolve': programs of the C library only look into files.",
    remedy: "Let the line be 'hosts: files dns'.",
    example: "sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf\nnetns-tool doctor red        # names-off\n\
              sed -i 's/^hosts:.*/hosts: files dns/' /etc/nsswitch.conf",
};

static NAME_UNKNOWN: Code = Code {
    name: "name-unknown",
    title: "The name servers answer, and know no address of the name",
    symptom: "'Name or service not known', 'could not resolve host', at once.",
    cause: "The name is mistyped, has no address, or is known to other servers only: a company's, a container engine's, a \
            topology's hosts file.",
    remedy: "Check the spelling; ask the server that should know it, or add the name to /etc/netns/NETNS/hosts.",
    example: "netns-tool doctor red no-such-name.example   # name-unknown",
};

fn look(case: &Case<'_>, found: &[Finding]) -> Vec<Finding> {
    let Some(asker) = Asker::of(case) else { return Vec::new() };
    let mut findings: Vec<Finding> = names_off(&asker).into_iter().collect();
    if asker.resolved {
        return findings;
    }
    if let Some(finding) = empty(&asker).or_else(|| on_loopback(&asker)) {
        findings.push(finding);
    } else {
        findings.extend(silent(&asker, found));
        findings.extend(unknown(&asker));
    }
    findings
}

/// Who looks up names.
struct Asker<'a> {
    case: &'a Case<'a>,
    id: StackId,
    stack: &'a Stack,
    /// The name that is asked for, if it is one.
    name: Option<&'a str>,
    /// Whether an address of it was found.
    resolved: bool,
}

impl<'a> Asker<'a> {
    fn of(case: &'a Case<'a>) -> Option<Self> {
        let Question::Path(path) = case.question else { return None };
        let name = match &path.to {
            Destination::Internet => None,
            Destination::Name(name) => Some(name.as_str()),
            Destination::Address(_) | Destination::Stack(_) => return None,
        };
        let id = case.scene.find(&path.from)?;
        let asked = case.ways.iter().any(|way| way.way.purpose == Purpose::Asked);
        Some(Self { case, id, stack: case.scene.stack(id), name, resolved: name.is_some() && asked })
    }

    /// Names come last: without a way, no server is reached.
    fn spot(&self) -> Spot {
        let legs = self.case.ways.iter().map(|way| way.journey.legs.len()).max();
        Spot { leg: legs.unwrap_or_default(), step: Step::Socket }
    }

    fn servers(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.stack.resolver.servers.iter().take(ResolvConf::MOST_SERVERS).copied()
    }

    /// Where the module of systemd-resolved is asked first, by a socket in the file system, that works from
    /// inside a netns as well, whatever resolv.conf says; a name that was not found says that it did not.
    fn asks_by_socket(&self) -> bool {
        let hosts = self.stack.resolver.nsswitch_hosts.as_deref().unwrap_or_default();
        self.name.is_none() && hosts.split_whitespace().any(|word| word == "resolve")
    }

    fn finding(&self, code: &'static Code, what: String) -> Finding {
        let finding = if self.asks_by_socket() {
            Finding::warning(code, self.id, self.spot(), what)
        } else {
            Finding::error(code, self.id, self.spot(), what)
        };
        finding.degrades()
    }

    /// The ways to its name servers, whatever they are followed for.
    fn asked(&self) -> impl Iterator<Item = &'a Followed> {
        let (case, id) = (self.case, self.id);
        let servers: Vec<IpAddr> = self.servers().collect();
        case.ways.iter().filter(move |it| {
            let way = &it.way;
            way.from == id
                && servers.contains(&way.to)
                && way.service() == Some((DNS, Transport::Udp))
                && way.purpose != Purpose::Asked
        })
    }

    /// Whether the host gets an answer from there: then it is the way that is at fault, not who is asked.
    fn answers_host(&self, server: IpAddr) -> bool {
        let mut ways = self.case.ways.iter();
        ways.any(|it| it.way.purpose == Purpose::Control && it.way.to == server && it.works())
    }
}

fn names_off(asker: &Asker<'_>) -> Option<Finding> {
    let hosts = asker.stack.resolver.nsswitch_hosts.as_deref()?;
    if hosts.split_whitespace().any(|word| matches!(word, "dns" | "resolve")) {
        return None;
    }
    let what = format!("programs {} do not ask name servers at all", asker.stack.location());
    let finding = Finding::error(&NAMES_OFF, asker.id, asker.spot(), what)
        .degrades()
        .seen(asker.stack.run("grep hosts: /etc/nsswitch.conf"), format!("hosts: {}", hosts.trim()))
        .why("the C library looks only where this line says; 'dns' stands for the servers of resolv.conf")
        .remedy(Remedy::note(
            "let the line be 'hosts: files dns', in /etc/netns/NETNS/nsswitch.conf if there is one, else in /etc/nsswitch.conf",
        ));
    Some(finding)
}

fn empty(asker: &Asker<'_>) -> Option<Finding> {
    let resolver = &asker.stack.resolver;
    // Without a server, the C library asks 127.0.0.1 (resolv.conf(5)).
    if resolver.exists && !resolver.servers.is_empty() || serves_itself(asker.stack) {
        return None;
    }
    let says = if resolver.exists { "no line 'nameserver'" } else { "no such file" };
    let what = format!("no name server is configured {}", asker.stack.location());
    let finding = asker
        .finding(&RESOLVER_EMPTY, what)
        .seen(resolver.file.clone(), says)
        .why("then 127.0.0.1 is asked, where no name server listens");
    Some(with_servers(asker, finding))
}

fn on_loopback(asker: &Asker<'_>) -> Option<Finding> {
    let mut servers = asker.servers().peekable();
    servers.peek()?;
    if asker.id == StackId::HOST || !servers.all(|it| it.is_loopback()) || serves_itself(asker.stack) {
        return None;
    }
    let servers: Vec<String> = asker.servers().map(|server| format!("nameserver {server}")).collect();
    let what =
        format!("the name server {} is a loopback address, which is its own here", asker.stack.location());
    let finding = asker
        .finding(&RESOLVER_ON_LOOPBACK, what)
        .seen(asker.stack.resolver.file.clone(), servers.join(", "))
        .seen(asker.stack.run("ss -lun"), "nothing on port 53")
        .why("the stub listens on the loopback address of the host, which cannot be reached from inside");
    Some(with_servers(asker, finding))
}

/// Whether a name server runs inside.
fn serves_itself(stack: &Stack) -> bool {
    let mut open =
        stack.listeners.iter().filter(|it| it.transport == Transport::Udp && it.local.port() == DNS);
    open.any(|it| it.local.ip().is_loopback() || it.local.ip().is_unspecified())
}

/// The port of name servers (RFC 1035).
const DNS: u16 = 53;
/// Who is asked where the host names no server that could be reached: Quad9 (<https://quad9.net>).
const PUBLIC_SERVER: &str = "9.9.9.9";

/// Adds how to name servers that answer.
fn with_servers(asker: &Asker<'_>, finding: Finding) -> Finding {
    let used: Vec<IpAddr> = asker.servers().collect();
    let upstream = asker.stack.resolver.upstream.iter().filter(|server| !used.contains(server));
    let upstream: Vec<IpAddr> = upstream.take(ResolvConf::MOST_SERVERS).copied().collect();
    let words: Vec<String> = upstream.iter().map(ToString::to_string).collect();
    let (servers, whose) = if words.is_empty() {
        (PUBLIC_SERVER.to_owned(), "a public one, as the host names no other that can be reached from inside")
    } else {
        (words.join(" "), "those that the host itself asks")
    };
    match &asker.stack.entrance {
        Entrance::Named(name) => {
            // A file of its own was written by somebody, who may want to keep it.
            let is_own = asker.stack.resolver.exists && asker.stack.resolver.file.contains("/netns/");
            let file = ResolvConf::of_servers(upstream);
            let mend = (!file.servers.is_empty() && !is_own)
                .then(|| Mend::Change(Operation::WriteResolver(name.clone(), file)));
            let command = format!("netns-tool dns {name} {servers}");
            finding.remedy(Remedy::command(command).because(whose)).mend(mend)
        }
        Entrance::Host => finding.remedy(Remedy::note(format!(
            "add a line 'nameserver {servers}' to {}, or let the network manager do it",
            asker.stack.resolver.file
        ))),
        Entrance::File(_) => finding.remedy(Remedy::note(format!(
            "let /etc/resolv.conf inside say 'nameserver {servers}': a netns without a name has no folder in /etc/netns"
        ))),
    }
}

/// Servers that are silent, if nothing that was found on the way explains it.
fn silent(asker: &Asker<'_>, found: &[Finding]) -> Vec<Finding> {
    let stops = |finding: &Finding| finding.severity > Severity::Note && finding.effect == Effect::Blocks;
    if found.iter().any(stops) {
        return Vec::new();
    }
    let is_silent =
        |way: &&Followed| way.outcome.is_some() && !way.works() && !asker.answers_host(way.way.to);
    let in_vain = asker.asked().filter(is_silent);
    in_vain.map(|way| does_not_answer(asker, way)).collect()
}

fn does_not_answer(asker: &Asker<'_>, way: &Followed) -> Finding {
    let server = way.way.to;
    let others = asker.asked().any(Followed::works);
    let why = if others {
        "another server answers, but programs wait five seconds for this one first"
    } else {
        "without a name server that answers, only addresses work"
    };
    let what = format!("name server {server} does not answer {}", asker.stack.location());
    let finding = if others {
        Finding::warning(&RESOLVER_SILENT, asker.id, asker.spot(), what).degrades()
    } else {
        Finding { effect: Effect::Blocks, ..asker.finding(&RESOLVER_SILENT, what) }
    };
    let finding = finding
        .seen(asker.stack.resolver.file.clone(), format!("nameserver {server}"))
        .seen(format!("a query to {server}, port 53/udp"), "no answer, and nothing on the way that stops it")
        .why(why);
    with_servers(asker, finding)
}

fn unknown(asker: &Asker<'_>) -> Option<Finding> {
    let name = asker.name?;
    let server = asker.asked().find(|way| way.works())?.way.to;
    let name = name.escape_debug();
    let what = format!("the name servers {} know no address of '{name}'", asker.stack.location());
    let finding = Finding::error(&NAME_UNKNOWN, asker.id, asker.spot(), what)
        .seen(format!("a query to {server}"), "an answer")
        .seen(format!("a query for '{name}'"), "no address")
        .why("the way to the name server is open; it is the name that it does not know")
        .remedy(Remedy::note("check the spelling, or ask a server that knows the name"));
    Some(finding)
}

#[cfg(test)]
mod tests;
