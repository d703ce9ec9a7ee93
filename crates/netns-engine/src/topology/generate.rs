//! Networks and nodes made by a rule, in the words of Mininet: `tree`, `linear`, `star`, and `mesh`.
//!
//! What is made is what could have been written by hand: switches s1, s2 …, of which the first one of each rule
//! has the subnet and with it the host as its gateway, and nodes n1, n2 …

use ipnet::IpNet;

use super::{
    Mistake, Position,
    file::{
        File, LinkBody, LinkEntry, LinkForm, Located, Membership, Memberships, Nat, NetworkBody, NodeBody,
        Size, Text, Texts, Tree, Truth,
    },
    mistake::Flaw,
    resolve::{Found, MOST_CABLES, MOST_NODES, subnet::Subnet},
};

const OF_TREE: &str = "10.211.0.0/16";
const OF_LINEAR: &str = "10.212.0.0/16";
const OF_STAR: &str = "10.213.0.0/16";
const OF_MESH: &str = "10.214.0.0/16";

/// Adds to the file what its rules make.
pub(super) fn expand(file: &mut File) -> Found<()> {
    let Some(rules) = file.generate.take() else { return Ok(()) };
    let mut maker = Maker { file, nodes: 0, switches: 0 };
    if let Some(tree) = &rules.tree {
        maker.tree(&tree.value, tree.at)?;
    }
    if let Some(linear) = &rules.linear {
        maker.linear(&linear.value.0, linear.at)?;
    }
    if let Some(star) = &rules.star {
        maker.star(&star.value.0, star.at)?;
    }
    if let Some(mesh) = &rules.mesh {
        maker.mesh(&mesh.value.0, mesh.at)?;
    }
    Ok(())
}

/// Makes switches and nodes, and counts them over all rules.
struct Maker<'a> {
    file: &'a mut File,
    nodes: usize,
    switches: usize,
}

/// Where bridges hand frames to iptables (`br_netfilter`, which Docker loads), the first switch on the way
/// settles that a connection is not translated, and the last one cannot change that any more.
fn refuse_nat_behind_switches(
    key: &'static str,
    nat: Option<bool>,
    switches: usize,
    at: Position,
) -> Found<()> {
    if nat == Some(true) && switches > 1 {
        return Err(Flaw::new(at, Mistake::NatBehindSwitches { key }));
    }
    Ok(())
}

/// A subnet that is shared by several switches, of which the first knows it.
struct Shared {
    subnet: Subnet,
    text: Text,
    nat: bool,
    /// Whether a switch has it yet.
    gateway: Gateway,
}

/// Whether the host takes part in a subnet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gateway {
    Missing,
    Found,
}

impl Shared {
    fn of(subnet: Option<&Text>, otherwise: &str, nat: Option<bool>, at: Position) -> Found<Self> {
        let text = subnet.cloned().unwrap_or_else(|| Located::new(otherwise.to_owned(), at));
        Ok(Self {
            subnet: Subnet::read(&text)?.without_first(),
            text,
            nat: nat == Some(true),
            gateway: Gateway::Missing,
        })
    }
}

impl Maker<'_> {
    fn tree(&mut self, tree: &Tree, at: Position) -> Found<()> {
        let (switches, leaves) = size_of_tree(tree, at)?;
        refuse_nat_behind_switches("tree", tree.nat, switches, at)?;
        let mut shared = Shared::of(tree.subnet.as_ref(), OF_TREE, tree.nat, at)?;
        let first = self.switches + 1;
        let fanout = at_most(tree.fanout, MOST_NODES, "nodes", at)?;
        for number in 0..switches {
            self.switch(&mut shared, at);
            if number > 0 {
                self.link((switch(first + (number - 1) / fanout), switch(first + number)), None, at);
            }
        }
        let first_leaf = first + switches - leaves / fanout;
        for number in 0..leaves {
            self.node_on(first_leaf + number / fanout, &mut shared, at)?;
        }
        Ok(())
    }

    fn linear(&mut self, size: &Size, at: Position) -> Found<()> {
        let count = at_most(size.nodes, MOST_NODES, "nodes", at)?;
        refuse_nat_behind_switches("linear", size.nat, count, at)?;
        let mut shared = Shared::of(size.subnet.as_ref(), OF_LINEAR, size.nat, at)?;
        let first = self.switches + 1;
        for number in 0..count {
            self.switch(&mut shared, at);
            self.node_on(first + number, &mut shared, at)?;
            if number > 0 {
                self.link((switch(first + number - 1), switch(first + number)), None, at);
            }
        }
        Ok(())
    }

    fn star(&mut self, size: &Size, at: Position) -> Found<()> {
        let count = at_most(size.nodes, MOST_NODES, "nodes", at)?;
        let mut shared = Shared::of(size.subnet.as_ref(), OF_STAR, size.nat, at)?;
        self.switch(&mut shared, at);
        (0..count).try_for_each(|_| self.node_on(self.switches, &mut shared, at))
    }

    fn mesh(&mut self, size: &Size, at: Position) -> Found<()> {
        let count = at_most(size.nodes, MOST_NODES, "nodes", at)?;
        at_most((size.nodes * (size.nodes - 1) / 2).max(1), MOST_CABLES, "cables", at)?;
        if size.nat == Some(true) {
            return Err(Flaw::new(at, Mistake::KeysContradict { key: "mesh", other: "nat" }));
        }
        let shared = Shared::of(size.subnet.as_ref(), OF_MESH, None, at)?;
        let first = self.nodes + 1;
        for _ in 0..count {
            self.nodes += 1;
            self.file.nodes.0.push((Located::new(node(self.nodes), at), NodeBody::default()));
        }
        let mut pairs = pairs_of_addresses(&shared.subnet.net);
        for one in 0..count {
            for other in one + 1..count {
                let Some(subnet) = pairs.next() else {
                    let (subnet, node) = (shared.subnet.net.to_string(), node(first + one));
                    return Err(Flaw::new(shared.text.at, Mistake::SubnetFull { subnet, node }));
                };
                self.link((node(first + one), node(first + other)), Some(subnet), at);
            }
        }
        Ok(())
    }

    /// Adds a switch; the first one that shares a subnet is the one that has it.
    fn switch(&mut self, shared: &mut Shared, at: Position) {
        self.switches += 1;
        let mut body = NetworkBody::default();
        if shared.gateway == Gateway::Missing {
            shared.gateway = Gateway::Found;
            body.subnet = Texts(vec![shared.text.clone()]);
            body.nat = shared.nat.then(|| Located::new(Nat::Flag(Truth::True), at));
        }
        self.file.networks.0.push((Located::new(switch(self.switches), at), body));
    }

    /// Adds a node on a switch, with an address of the shared subnet.
    fn node_on(&mut self, number: usize, shared: &mut Shared, at: Position) -> Found<()> {
        self.nodes += 1;
        let name = node(self.nodes);
        let Some(address) = shared.subnet.pick(|_| true) else {
            let subnet = shared.subnet.net.to_string();
            return Err(Flaw::new(shared.text.at, Mistake::SubnetFull { subnet, node: name }));
        };
        let text = |text: String| Located::new(text, at);
        let membership =
            Membership { address: Texts(vec![text(address.to_string())]), ..Membership::default() };
        let body = NodeBody {
            networks: Memberships(vec![(text(switch(number)), membership)]),
            ..NodeBody::default()
        };
        self.file.nodes.0.push((text(name), body));
        Ok(())
    }

    fn link(&mut self, (one, other): (String, String), subnet: Option<IpNet>, at: Position) {
        let text = |text: String| Located::new(text, at);
        let subnet = Texts(subnet.map(|subnet| text(subnet.to_string())).into_iter().collect());
        let body = LinkBody { endpoints: vec![text(one), text(other)], subnet, ..LinkBody::default() };
        let entry = LinkEntry::Long(Box::new(body));
        self.file.links.get_or_insert_default().push(LinkForm { at, entry });
    }
}

/// Counts the switches and leaves of a tree, and stops as soon as they are too many.
fn size_of_tree(tree: &Tree, at: Position) -> Found<(usize, usize)> {
    let (mut switches, mut level) = (0, 1);
    at_most(tree.depth, usize::MAX, "levels", at)?;
    at_most(tree.fanout, MOST_NODES, "nodes", at)?;
    for _ in 0..tree.depth {
        switches = at_most(switches + level, MOST_NODES, "networks", at)? as u64;
        level = at_most(level * tree.fanout, MOST_NODES, "nodes", at)? as u64;
    }
    Ok((at_most(switches, MOST_NODES, "networks", at)?, at_most(level, MOST_NODES, "nodes", at)?))
}

/// Refuses nothing at all, and too many.
fn at_most(number: u64, most: usize, things: &'static str, at: Position) -> Found<usize> {
    if number == 0 {
        let expected = "a number to make something of: at least 1";
        return Err(Flaw::new(at, Mistake::Malformed { text: "0".to_owned(), expected }));
    }
    let number = usize::try_from(number).ok().filter(|number| *number <= most);
    number.ok_or_else(|| Flaw::new(at, Mistake::TooMany { things, most }))
}

/// The networks of two addresses that a subnet consists of.
fn pairs_of_addresses(net: &IpNet) -> Box<dyn Iterator<Item = IpNet>> {
    match net {
        IpNet::V4(net) => Box::new(net.subnets(31).into_iter().flatten().map(IpNet::V4)),
        IpNet::V6(net) => Box::new(net.subnets(127).into_iter().flatten().map(IpNet::V6)),
    }
}

fn switch(number: usize) -> String {
    format!("s{number}")
}

fn node(number: usize) -> String {
    format!("n{number}")
}
