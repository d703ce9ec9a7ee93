//! One visit to a network stack: everything in one go, since starting programs is what costs.

use serde_json::Value;

use super::{Snapshot, tidy};
use crate::process::Program;

/// Prints every part behind a line that names it.
const QUESTIONS: &str = r#"
part() { echo "@@ $1"; shift; "$@"; }
links=$(ip -j -d addr)
part links echo "$links"
case $links in *'"qdisc":"tbf"'* | *'"qdisc":"netem"'*) part limits tc -j -d qdisc ;; esac
part routes ip -j -4 route show table all
part routes ip -j -6 route show table all
part rules ip -j -4 rule
part rules ip -j -6 rule
command -v nft >/dev/null && part nft nft -j list ruleset
for family in iptables ip6tables; do
    found=
    for backend in nft legacy; do
        command -v $family-$backend-save >/dev/null && { found=1; part $family $family-$backend-save; }
    done
    [ -n "$found" ] || { command -v $family-save >/dev/null && part $family $family-save; }
done
cd /proc/sys/net
part sysctls grep -s '' ipv4/ip_forward \
    ipv4/conf/*/forwarding ipv4/conf/*/route_localnet ipv4/conf/*/rp_filter ipv4/conf/*/arp_ignore \
    ipv6/conf/*/forwarding ipv6/conf/*/accept_ra ipv6/conf/*/autoconf ipv6/conf/*/disable_ipv6 \
    ipv6/conf/*/addr_gen_mode bridge/bridge-nf-call-*
exit 0
"#;

/// Notes everything about one stack: the host's, or that of a named netns.
pub(super) fn about(place: &str, netns: Option<&str>, snapshot: &mut Snapshot) {
    let shell = match netns {
        None => Program::new("/bin/sh"),
        Some(netns) => Program::new("ip").words("netns exec").arg(netns).arg("/bin/sh"),
    };
    let answers = shell.arg("-c").arg(QUESTIONS).run().succeeds();
    for part in answers.stdout().split("@@ ").skip(1) {
        let (name, answer) = part.split_once('\n').unwrap_or((part, ""));
        match name {
            "links" => note_links(place, answer, snapshot),
            "routes" => note_all(place, name, tidy::routes(parsed(answer)), snapshot),
            "rules" => note_all(place, name, tidy::objects(parsed(answer)), snapshot),
            "limits" => note_all(place, name, tidy::limits(parsed(answer)), snapshot),
            "nft" => note_all(place, name, tidy::ruleset(parsed(answer)), snapshot),
            "sysctls" => note_all(place, name, answer.lines().map(str::to_owned).collect(), snapshot),
            iptables => note_all(place, iptables, tidy::saved_rules(answer), snapshot),
        }
    }
}

fn note_links(place: &str, answer: &str, snapshot: &mut Snapshot) {
    for (link, facts) in tidy::links(parsed(answer)) {
        note_all(place, &format!("link {link}"), facts, snapshot);
    }
}

fn note_all(place: &str, part: &str, facts: Vec<String>, snapshot: &mut Snapshot) {
    for fact in facts {
        snapshot.note(format!("{place}: {part}"), fact);
    }
}

/// `ip -j` prints nothing at all where there is nothing.
fn parsed(answer: &str) -> Value {
    if answer.trim().is_empty() {
        return Value::Array(Vec::new());
    }
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("not JSON: {error}\n{answer}"))
}
