//! Nodes and cables, as they stand in the file.

use ipnet::IpNet;

use super::{
    Scene,
    addresses::Given,
    details::{Whose, whose},
    document::{Map, Value},
    networks::{Site, USUAL_MTU},
    wiring::{End, Seat},
};
use crate::{resolver::ResolvConf, topology::resolve::subnet::Subnet, view::LinkView};

impl<'a> Scene<'a> {
    /// Writes a netns as an entry of `nodes:`.
    pub(super) fn node(&mut self, node: usize, given: &Given, ports: &[String]) -> Value {
        let routes = self.routes(node, given);
        let nameservers = self.nameservers(node);
        let names = self.knows_names(node, given);
        let forwards = self.forwards(node).then_some(Value::True);
        Value::map([
            ("networks", self.networks_of(node, given)),
            ("addresses", Value::one_or_many(&given.loopback[node])),
            ("routes", (!routes.is_empty()).then_some(Value::List(routes))),
            ("nameservers", nameservers),
            ("forwarding", forwards),
            ("sysctls", self.settings(node)),
            ("mtu", self.mtu(node).map(|bytes| Value::Number(bytes.into()))),
            ("hosts", names),
            ("ports", (!ports.is_empty()).then(|| Value::list(ports))),
        ])
    }

    /// A list of names, or a map if there is more to say.
    fn networks_of(&self, node: usize, given: &Given) -> Option<Value> {
        let entries: Map = self.wiring.plugs[node]
            .iter()
            .zip(&given.plugs[node])
            .map(|(plug, addresses)| {
                let site = &self.sites[plug.bridge];
                let [rate, delay, jitter, loss] =
                    self.limits([(Whose::Host, plug.port), (Whose::Node(node), plug.link)]);
                let body = Value::map([
                    ("address", Value::one_or_many(written(addresses, site))),
                    ("mac", self.given_mac(node, plug.link)),
                    ("link", self.name_to_write(node, plug.link).map(Value::text)),
                    ("isolated", self.is_set_apart(plug.bridge, plug.port).then_some(Value::True)),
                    rate,
                    delay,
                    jitter,
                    loss,
                ]);
                (site.name.clone(), body)
            })
            .collect();
        if entries.is_empty() {
            return None;
        }
        let are_bare = entries.iter().all(|(_, body)| *body == Value::Nothing);
        Some(if are_bare {
            Value::list(entries.into_iter().map(|(name, _)| name))
        } else {
            Value::Map(entries)
        })
    }

    /// The name of a link, unless all of its netns have those that they get by themselves.
    fn name_to_write<'b>(&self, node: usize, link: &'b LinkView) -> Option<&'b str> {
        let by_themselves =
            self.links_of(node).iter().enumerate().all(|(number, link)| link.name == format!("eth{number}"));
        (!by_themselves).then_some(link.name.as_str())
    }

    /// The links of a netns in the order in which they get names.
    pub(super) fn links_of(&self, node: usize) -> Vec<&'a LinkView> {
        let plugs = self.wiring.plugs[node].iter().map(|plug| plug.link);
        let ends = self.wiring.cables.iter().flatten();
        let ends = ends.filter(|end| end.seat == Seat::Node(node)).map(|end| end.link);
        plugs.chain(ends).collect()
    }

    /// A netns inherits this setting from the host; it means something with two links.
    fn forwards(&self, node: usize) -> bool {
        let forwarding = self.nodes[node].view.forwarding;
        let is_on = [forwarding.ipv4, forwarding.ipv6].contains(&Some(true));
        is_on && self.links_of(node).len() > 1
    }

    /// What differs from the networks it hangs on.
    fn mtu(&self, node: usize) -> Option<u32> {
        let plugs = &self.wiring.plugs[node];
        let differs = |bridge: usize, mtu: u32| self.sites[bridge].bridge.mtu_bytes != mtu;
        let odd = plugs.iter().find(|plug| differs(plug.bridge, plug.link.mtu_bytes))?;
        Some(odd.link.mtu_bytes)
    }

    /// Tells of links that have another MTU than the others of their netns.
    pub(super) fn note_odd_mtus(&mut self) {
        for node in 0..self.nodes.len() {
            let Some(mtu) = self.mtu(node) else { continue };
            for plug in self.wiring.plugs[node].iter().filter(|plug| plug.link.mtu_bytes != mtu) {
                let (link, netns, own) = (&plug.link.name, self.nodes[node].name, plug.link.mtu_bytes);
                self.remarks.add(format_args!("the MTU {own} of link '{link}' of netns '{netns}'"));
            }
        }
    }

    fn nameservers(&mut self, node: usize) -> Option<Value> {
        let netns = &self.nodes[node];
        let file = netns.view.resolver.as_ref().filter(|file| !file.servers.is_empty())?;
        let of_host = self.sight.host.resolver.as_ref().map(ResolvConf::for_netns);
        if file.is_ours() && of_host.as_ref() == Some(file) {
            return None;
        }
        let mut search = Vec::new();
        for line in file.others.iter().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
            match line.strip_prefix("search ") {
                Some(domains) => search.extend(domains.split_whitespace().filter(|domain| *domain != ".")),
                None => self.remarks.add(format_args!("'{line}' in resolv.conf of netns '{}'", netns.name)),
            }
        }
        for beyond in file.servers.iter().skip(ResolvConf::MOST_SERVERS) {
            self.remarks
                .add(format_args!("name server '{beyond}' of netns '{}': nobody asks a fourth", netns.name));
        }
        let servers = Value::list(file.servers.iter().take(ResolvConf::MOST_SERVERS));
        if search.is_empty() {
            return Some(servers);
        }
        Some(Value::map([("addresses", Some(servers)), ("search", Some(Value::list(search)))]))
    }

    /// Writes a cable as an item of `links:`.
    pub(super) fn cable(&self, cable: usize, given: &Given) -> Value {
        let ends = &self.wiring.cables[cable];
        let addresses = &given.cables[cable];
        let each = addresses.iter().map(|own| Value::one_or_many(own).unwrap_or(Value::List(Vec::new())));
        let own = addresses.iter().any(|own| !own.is_empty()).then(|| Value::List(each.collect()));
        let mtu = ends[1].link.mtu_bytes;
        let nodes = ends.iter().filter_map(|end| match end.seat {
            Seat::Node(node) => self.mtu(node),
            _ => None,
        });
        let bridge = ends.iter().find_map(|end| match end.seat {
            Seat::Bridge(bridge) => Some(self.sites[bridge].bridge.mtu_bytes),
            _ => None,
        });
        let [rate, delay, jitter, loss] = self.limits(ends.map(|end| (whose(&end), end.link)));
        let by_itself = nodes.min().or(bridge).unwrap_or(USUAL_MTU);
        Value::map([
            ("endpoints", Some(Value::list(ends.iter().map(|end| self.endpoint(end))))),
            ("addresses", own),
            ("mtu", (mtu != by_itself).then(|| Value::Number(mtu.into()))),
            rate,
            delay,
            jitter,
            loss,
        ])
    }

    fn endpoint(&self, end: &End<'_>) -> String {
        match end.seat {
            Seat::Host => format!("host:{}", end.link.name),
            Seat::Bridge(bridge) => self.sites[bridge].name.clone(),
            Seat::Node(node) => {
                let netns = self.nodes[node].name;
                self.name_to_write(node, end.link)
                    .map_or_else(|| netns.to_owned(), |link| format!("{netns}:{link}"))
            }
        }
    }

    /// The addresses of a netns on all its links but the loopback one, each with its link.
    pub(super) fn addresses_of<'b>(&'b self, node: usize, given: &'b Given) -> Vec<(&'a LinkView, IpNet)> {
        let plugs = self.wiring.plugs[node].iter().zip(&given.plugs[node]);
        let plugs = plugs.flat_map(|(plug, own)| own.iter().map(|address| (plug.link, *address)));
        let cables = self.wiring.cables.iter().zip(&given.cables);
        let ends = cables.flat_map(|(ends, own)| ends.iter().zip(own));
        let ends = ends.filter(|(end, _)| end.seat == Seat::Node(node));
        let ends = ends.flat_map(|(end, own)| own.iter().map(|address| (end.link, *address)));
        plugs.chain(ends).collect()
    }

    /// The links of a netns that lead to a network with the host in it, with its own addresses there and the
    /// host's, in the order of the file.
    pub(super) fn ways_to_host(&self, node: usize, given: &Given) -> Vec<WayToHost<'a>> {
        let way = |link: &'a LinkView, bridge: usize, own: &Vec<IpNet>| {
            let hosts = self.sites[bridge].subnets.iter().map(Subnet::gateway).collect();
            WayToHost { link, own: own.clone(), hosts, over: Over::Network }
        };
        let plugs = self.wiring.plugs[node].iter().zip(&given.plugs[node]);
        let mut ways: Vec<_> = plugs.map(|(plug, own)| way(plug.link, plug.bridge, own)).collect();
        for ([other, end], [others, own]) in self.wiring.cables.iter().zip(&given.cables) {
            match other.seat {
                _ if end.seat != Seat::Node(node) => {}
                Seat::Bridge(bridge) => ways.push(way(end.link, bridge, own)),
                Seat::Host => {
                    let (own, hosts) = (own.clone(), others.clone());
                    ways.push(WayToHost { link: end.link, own, hosts, over: Over::Cable });
                }
                Seat::Node(_) => {}
            }
        }
        ways
    }
}

/// A link that leads to the host.
pub(super) struct WayToHost<'a> {
    pub(super) link: &'a LinkView,
    pub(super) own: Vec<IpNet>,
    pub(super) hosts: Vec<IpNet>,
    pub(super) over: Over,
}

/// What lies between: only a network gives its nodes a default route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    Network,
    Cable,
}

/// In a network with subnets an address needs no prefix length.
fn written(addresses: &[IpNet], site: &Site<'_>) -> Vec<String> {
    let bare = |address: &IpNet| address.addr().to_string();
    let in_full = site.subnets.is_empty();
    addresses.iter().map(|address| if in_full { address.to_string() } else { bare(address) }).collect()
}
