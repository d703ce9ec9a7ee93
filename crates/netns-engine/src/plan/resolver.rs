//! Which `resolv.conf` a netns gets.

use super::{Conflict, Desired, Draft, Operation, Plan};
use crate::{
    desired::{Resolver, ResolverSource},
    observed::{Asked, Observed, Scope},
    resolver::ResolvConf,
};

impl Desired for Resolver {
    fn scope(&self) -> Scope {
        let upstream = if self.source == ResolverSource::Host { Asked::Yes } else { Asked::No };
        Scope {
            netns: [self.netns.clone()].into(),
            resolvers: [self.netns.clone()].into(),
            upstream,
            ..Scope::default()
        }
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        let current = observed.resolvers.get(&self.netns);
        match (self.wanted(observed)?, current) {
            (Some(wanted), current) if current != Some(&wanted) => draft.then(
                Operation::WriteResolver(self.netns.clone(), wanted),
                "'ip netns exec' and 'netns-tool exec' show this file to programs as /etc/resolv.conf.",
            ),
            (None, Some(_)) => draft.then(
                Operation::RemoveResolver(self.netns.clone()),
                "Without a file of its own, the netns reads the host's /etc/resolv.conf.",
            ),
            _ => {}
        }
        Ok(draft.finish())
    }
}

impl Resolver {
    fn wanted(&self, observed: &Observed) -> Result<Option<ResolvConf>, Conflict> {
        if self.source == ResolverSource::None {
            // The file may outlive its netns, and may be removed then too.
            return Ok(None);
        }
        super::netns::require(observed, &self.netns)?;
        let wanted = match &self.source {
            ResolverSource::Servers(servers) => ResolvConf::of_servers(servers.clone()),
            ResolverSource::Host | ResolverSource::None => observed.upstream.for_netns(),
        };
        match wanted.servers.iter().find(|server| server.is_loopback()) {
            Some(loopback) => Err(Conflict::LoopbackNameServer(*loopback)),
            None if wanted.servers.is_empty() => Err(Conflict::NoNameServer),
            None => Ok(Some(wanted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        name::NetnsName,
        observed::{NetnsEntry, NetnsState},
    };

    fn red() -> NetnsName {
        NetnsName::new("red").unwrap()
    }

    fn host() -> Observed {
        let live = NetnsEntry { state: NetnsState::Live, ours: true, holders: Vec::new() };
        let upstream = "search lab\nnameserver 192.0.2.1\n".parse().unwrap();
        Observed { netns: [(red(), live)].into(), upstream, ..Observed::default() }
    }

    fn asked(source: ResolverSource) -> Resolver {
        Resolver { netns: red(), source }
    }

    #[test]
    fn the_hosts_servers_are_written_once() {
        let wish = asked(ResolverSource::Host);
        let plan = wish.plan(&host()).unwrap();
        assert_eq!(plan.steps.len(), 1);
        let written = &plan.expected.resolvers[&red()];
        assert_eq!(written.to_string(), "# written by netns-tool\nsearch lab\nnameserver 192.0.2.1\n");
        assert!(wish.plan(&plan.expected).unwrap().is_empty());
    }

    #[test]
    fn loopback_servers_and_none_at_all_are_conflicts() {
        let stub = "127.0.0.53".parse().unwrap();
        let refused = asked(ResolverSource::Servers(vec![stub])).plan(&host());
        assert_eq!(refused, Err(Conflict::LoopbackNameServer(stub)));
        let offline = Observed { upstream: ResolvConf::default(), ..host() };
        assert_eq!(asked(ResolverSource::Host).plan(&offline), Err(Conflict::NoNameServer));
        assert_eq!(asked(ResolverSource::Host).plan(&Observed::default()), Err(Conflict::NoNetns(red())));
    }

    #[test]
    fn removal_gives_the_file_back_when_undone() {
        let mine: ResolvConf = "# mine\nnameserver 192.0.2.7\n".parse().unwrap();
        let before = Observed { resolvers: [(red(), mine.clone())].into(), ..host() };
        let plan = asked(ResolverSource::None).plan(&before).unwrap();
        assert_eq!(plan.steps[0].undo, [Operation::WriteResolver(red(), mine)]);
        assert!(asked(ResolverSource::None).plan(&plan.expected).unwrap().is_empty());
    }
}
