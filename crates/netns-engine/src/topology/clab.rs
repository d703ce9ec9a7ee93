//! Files of containerlab, for what netns-tool can make of them: nodes of kind linux, bridge and host, and links.
//!
//! What belongs to containers (images, binds, environment …) is passed over with a warning.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{
    Mistake, Position, Warning,
    file::{Entries, File, LinkBody, LinkEntry, LinkForm, Located, NetworkBody, NodeBody, Text, Texts},
    mistake::Flaw,
    resolve::Found,
};

/// Returns whether `text` is such a file: it alone has a top-level key `topology`.
pub(super) fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("topology:"))
}

/// A whole file.
#[derive(Default)]
pub(super) struct Lab {
    name: Option<Text>,
    topology: LabTopology,
    ignored: Vec<Text>,
}

#[derive(Default)]
struct LabTopology {
    nodes: Entries<LabNode>,
    links: Vec<LabLink>,
    defaults: LabNode,
    ignored: Vec<Text>,
}

#[derive(Default)]
struct LabNode {
    kind: Option<Text>,
    ignored: Vec<Text>,
}

#[derive(Default)]
struct LabLink {
    kind: Option<Text>,
    endpoints: Option<Located<Vec<Located<LabEnd>>>>,
    endpoint: Option<Located<LabEnd>>,
    host_link: Option<Text>,
    mtu: Option<Located<u32>>,
    ignored: Vec<Text>,
}

/// `node:link`, or the same as a map.
enum LabEnd {
    Short(String),
    Long(LabEndBody),
}

#[derive(Default)]
struct LabEndBody {
    node: Option<Text>,
    link: Option<Text>,
    ignored: Vec<Text>,
}

/// What is read key by key, so that unknown ones are noted and not refused.
trait Lenient: Default {
    const EXPECTED: &'static str;

    /// Reads the value of `key` if it is known.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Taken, A::Error>;

    fn ignored(&mut self) -> &mut Vec<Text>;
}

enum Taken {
    Known,
    Unknown,
}

struct LenientVisitor<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for LenientVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut read = T::default();
        while let Some(key) = map.next_key::<Text>()? {
            if let Taken::Unknown = read.take(&key.value, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                read.ignored().push(key);
            }
        }
        Ok(read)
    }
}

macro_rules! lenient {
    ($name:ident, $expected:literal, $($key:literal => $field:ident),*) => {
        impl Lenient for $name {
            const EXPECTED: &'static str = $expected;

            fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Taken, A::Error> {
                match key {
                    $($key => self.$field = map.next_value()?,)*
                    _ => return Ok(Taken::Unknown),
                }
                Ok(Taken::Known)
            }

            fn ignored(&mut self) -> &mut Vec<Text> {
                &mut self.ignored
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(LenientVisitor(PhantomData))
            }
        }
    };
}

lenient!(Lab, "a containerlab file", "name" => name, "topology" => topology);
lenient!(LabTopology, "a map with 'nodes' and 'links'", "nodes" => nodes, "links" => links, "defaults" => defaults);
lenient!(LabNode, "a map with the key 'kind'", "kind" => kind);
lenient!(LabLink, "a map with the key 'endpoints'", "type" => kind, "endpoints" => endpoints, "endpoint" => endpoint,
    "host-interface" => host_link, "mtu" => mtu);

lenient!(LabEndBody, "NODE:LINK, or a map with 'node' and 'interface'", "node" => node, "interface" => link);

impl<'de> Deserialize<'de> for LabEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabEndVisitor)
    }
}

struct LabEndVisitor;

impl<'de> Visitor<'de> for LabEndVisitor {
    type Value = LabEnd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LabEndBody::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LabEnd, E> {
        Ok(LabEnd::Short(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LabEnd, A::Error> {
        LenientVisitor(PhantomData).visit_map(map).map(LabEnd::Long)
    }
}

/// Says the same in a file of our own, with a warning for each kind of key that has no effect.
pub(super) fn translate(lab: Lab) -> Found<(File, Vec<Warning>)> {
    let start = Position { line: 1, column: 1 };
    let name = lab.name.ok_or_else(|| Flaw::new(start, Mistake::MissingKey { key: "name" }))?;
    let LabTopology { nodes, links, defaults, ignored } = lab.topology;
    let mut warnings = Warnings::default();
    warnings.note(lab.ignored.into_iter().chain(ignored).chain(defaults.ignored));
    let mut file = File {
        name,
        networks: Entries::default(),
        nodes: Entries::default(),
        links: None,
        checks: None,
        generate: None,
        hosts: None,
    };
    let (mut bridges, mut hosts) = (HashSet::new(), HashSet::new());
    for (name, node) in nodes.0 {
        warnings.note(node.ignored.into_iter());
        let kind = node.kind.as_ref().or(defaults.kind.as_ref());
        match kind.map_or("linux", |kind| kind.value.as_str()) {
            "linux" => file.nodes.0.push((name, NodeBody::default())),
            "bridge" => {
                bridges.insert(name.value.clone());
                file.networks.0.push((name, NetworkBody::default()));
            }
            "host" => {
                hosts.insert(name.value);
            }
            other => {
                let at = kind.map_or(name.at, |kind| kind.at);
                return Err(Flaw::new(at, Mistake::UnknownKind { kind: other.to_owned() }));
            }
        }
    }
    let mut all = Vec::new();
    for link in links {
        warnings.note(link.ignored.iter().cloned());
        let mtu = link.mtu;
        let (ends, at) = ends(link, file.name.at, &mut warnings)?;
        let ends = ends.into_iter().map(|end| endpoint(end, &bridges, &hosts)).collect();
        let body = LinkBody { endpoints: ends, mtu, subnet: Texts::default(), ..LinkBody::default() };
        all.push(LinkForm { at, entry: LinkEntry::Long(Box::new(body)) });
    }
    file.links = Some(all);
    Ok((file, warnings.all))
}

/// The ends of a link, in whichever way they are written, and where.
fn ends(link: LabLink, start: Position, warnings: &mut Warnings) -> Found<(Vec<Text>, Position)> {
    let missing = |at, key| move || Flaw::new(at, Mistake::MissingKey { key });
    match &link.kind {
        Some(kind) if kind.value == "host" => {
            let inside = link.endpoint.ok_or_else(missing(kind.at, "endpoint"))?;
            let outside = link.host_link.ok_or_else(missing(kind.at, "host-interface"))?;
            let at = inside.at;
            let outside = Located::new(format!("{}:{}", super::resolve::HOST, outside.value), outside.at);
            Ok((vec![outside, in_a_word(inside, warnings)?], at))
        }
        Some(kind) if kind.value != "veth" => {
            Err(Flaw::new(kind.at, Mistake::UnknownLinkType { kind: kind.value.clone() }))
        }
        _ => {
            let ends = link.endpoints.ok_or_else(missing(start, "endpoints"))?;
            let words = ends.value.into_iter().map(|end| in_a_word(end, warnings)).collect::<Found<_>>()?;
            Ok((words, ends.at))
        }
    }
}

fn in_a_word(end: Located<LabEnd>, warnings: &mut Warnings) -> Found<Text> {
    let at = end.at;
    let word = match end.value {
        LabEnd::Short(word) => word,
        LabEnd::Long(body) => {
            warnings.note(body.ignored.into_iter());
            let node = body.node.ok_or_else(|| Flaw::new(at, Mistake::MissingKey { key: "node" }))?;
            match body.link {
                Some(link) => format!("{}:{}", node.value, link.value),
                None => node.value,
            }
        }
    };
    Ok(Located::new(word, at))
}

/// The port of a bridge has a name on the host, where `eth1` may be taken: it gets one of ours.
fn endpoint(end: Text, bridges: &HashSet<String>, hosts: &HashSet<String>) -> Text {
    let value = match end.value.split_once(':') {
        Some((name, _)) if bridges.contains(name) => name.to_owned(),
        Some((name, link)) if hosts.contains(name) => format!("{}:{link}", super::resolve::HOST),
        _ => return end,
    };
    Located::new(value, end.at)
}

/// One warning for each key, where it stands for the first time.
#[derive(Default)]
struct Warnings {
    seen: HashSet<String>,
    all: Vec<Warning>,
}

impl Warnings {
    fn note(&mut self, ignored: impl Iterator<Item = Text>) {
        for key in ignored {
            if self.seen.insert(key.value.clone()) {
                self.all.push(Warning { position: key.at, key: key.value });
            }
        }
    }
}
