//! `nodes:`.

use schemars::{JsonSchema, json_schema};
use serde::{
    Deserialize,
    de::{MapAccess, SeqAccess},
};

use super::{
    Entries, Located, Text, Texts,
    forms::{Forms, read_entries, read_list, read_map, written_in_forms},
};

/// A netns.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::topology) struct NodeBody {
    /// The networks it hangs on: a list, or a map to what its link there has.
    pub(in crate::topology) networks: Memberships,
    /// Further addresses: on the link whose network holds them, else on the loopback link.
    pub(in crate::topology) addresses: Texts,
    /// Its routes, beside those to its own networks and the default route.
    pub(in crate::topology) routes: Option<Vec<RouteEntry>>,
    /// The name servers its programs ask; those of the host if not given.
    pub(in crate::topology) nameservers: Option<Nameservers>,
    /// Settings of its own, by name: `net.ipv4.tcp_syncookies` and the like.
    pub(in crate::topology) sysctls: Entries<Setting>,
    /// Whether it passes packets on: a router.
    pub(in crate::topology) forwarding: Option<bool>,
    /// The largest packet on its links, in bytes.
    pub(in crate::topology) mtu: Option<Located<u32>>,
    /// The link-layer address of its first link.
    pub(in crate::topology) mac: Option<Text>,
    /// Whether it knows the other nodes by name.
    pub(in crate::topology) hosts: Option<bool>,
    /// Programs that run in it: a line for the shell, a list of words, or a list of those.
    pub(in crate::topology) run: Option<Located<Run>>,
    /// Ports of the host that lead here: [ADDRESS:]PORT:PORT[/udp], on 127.0.0.1 if no address is given.
    pub(in crate::topology) ports: Texts,
    /// Links on a link of the host, with link-layer addresses of their own.
    pub(in crate::topology) macvlan: Macvlans,
}

/// The link of a node to a network.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::topology) struct Membership {
    /// Its addresses; the lowest free one of each subnet if not given.
    pub(in crate::topology) address: Texts,
    /// Its link-layer address.
    pub(in crate::topology) mac: Option<Text>,
    /// Its name; eth0, eth1 … if not given.
    pub(in crate::topology) link: Option<Text>,
    /// Whether the network's other isolated nodes do not reach it.
    pub(in crate::topology) isolated: Option<bool>,
    /// How many bits a second pass in each direction at most, such as 10mbit.
    pub(in crate::topology) rate: Option<Text>,
    /// How much later each packet arrives, such as 10ms; in each direction.
    pub(in crate::topology) delay: Option<Text>,
    /// How much the delay varies, such as 2ms.
    pub(in crate::topology) jitter: Option<Text>,
    /// How many packets get lost, such as 1%.
    pub(in crate::topology) loss: Option<Text>,
}

/// A route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct RouteEntry {
    /// The network it leads to, or default.
    pub(in crate::topology) to: Text,
    /// The gateway.
    pub(in crate::topology) via: Option<Text>,
    /// The link packets leave through; found by the gateway if not given.
    pub(in crate::topology) link: Option<Text>,
    /// Smaller wins.
    pub(in crate::topology) metric: Option<u32>,
}

/// A link on a link of the host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::topology) struct MacvlanEntry {
    /// The host's link.
    pub(in crate::topology) parent: Text,
    /// Who may talk to whom: bridge, private or vepa; bridge if not given.
    pub(in crate::topology) mode: Option<Text>,
    /// Its addresses, with their prefix lengths.
    #[serde(default)]
    pub(in crate::topology) address: Texts,
    /// Its link-layer address.
    pub(in crate::topology) mac: Option<Text>,
    /// Its name; the next of eth0, eth1 … if not given.
    pub(in crate::topology) link: Option<Text>,
}

/// The networks of a node: a list of names, or a map with bodies.
#[derive(Clone, Debug, Default)]
pub(in crate::topology) struct Memberships(pub(in crate::topology) Vec<(Text, Membership)>);

/// The key `nameservers`: a list of addresses, or netplan's map.
#[derive(Clone, Debug, Default)]
pub(in crate::topology) struct Nameservers {
    pub(in crate::topology) addresses: Vec<Text>,
    pub(in crate::topology) search: Vec<Text>,
}

/// Name servers, and the domains that short names are completed with.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct NameserversBody {
    /// The servers, asked in this order.
    addresses: Texts,
    /// The domains.
    search: Texts,
}

/// The value of a setting; `None` where none is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::topology) struct Setting(pub(in crate::topology) Option<Located<i32>>);

/// One macvlan link or several.
#[derive(Clone, Debug, Default)]
pub(in crate::topology) struct Macvlans(pub(in crate::topology) Vec<MacvlanEntry>);

/// The key `run`.
#[derive(Clone, Debug)]
pub(in crate::topology) enum Run {
    Line(String),
    List(Vec<Located<Command>>),
}

/// An item of a list under `run`: a line, or a list of words.
#[derive(Clone, Debug)]
pub(in crate::topology) enum Command {
    Line(String),
    Words(Vec<String>),
}

impl Forms for Memberships {
    const EXPECTED: &'static str = "a list of networks, or a map from networks to what the link there has";

    fn from_nothing() -> Option<Self> {
        Some(Self::default())
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let names: Vec<Text> = read_list(list)?;
        Ok(Self(names.into_iter().map(|name| (name, Membership::default())).collect()))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self(read_entries(map)?.0))
    }
}

impl Forms for Nameservers {
    const EXPECTED: &'static str = "a list of addresses, or a map with 'addresses' and 'search'";

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Ok(Self { addresses: read_list(list)?, search: Vec::new() })
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        let NameserversBody { addresses, search } = read_map(map)?;
        Ok(Self { addresses: addresses.0, search: search.0 })
    }
}

impl Forms for Macvlans {
    const EXPECTED: &'static str = "a map with the key 'parent', or a list of those";

    fn from_nothing() -> Option<Self> {
        Some(Self::default())
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        read_list(list).map(Self)
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self(vec![read_map(map)?]))
    }
}

impl Forms for Run {
    const EXPECTED: &'static str = "a command line, a list of words, or a list of those";

    fn from_text(line: &str) -> Option<Self> {
        Some(Self::Line(line.to_owned()))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        read_list(list).map(Self::List)
    }
}

impl Forms for Command {
    const EXPECTED: &'static str = "a command line, or a list of words";

    fn from_text(line: &str) -> Option<Self> {
        Some(Self::Line(line.to_owned()))
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        read_list(list).map(Self::Words)
    }
}

written_in_forms!(Memberships, "Memberships", |generator| {
    let body = generator.subschema_for::<Entries<Membership>>();
    json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, body, { "type": "null" }] })
});
written_in_forms!(Nameservers, "Nameservers", |generator| {
    let body = generator.subschema_for::<NameserversBody>();
    json_schema!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, body] })
});
written_in_forms!(Macvlans, "Macvlans", |generator| {
    let one = generator.subschema_for::<MacvlanEntry>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
});
written_in_forms!(Command, "Command", |_generator| {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
});
written_in_forms!(Run, "Run", |generator| {
    let command = generator.subschema_for::<Command>();
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": command }] })
});
