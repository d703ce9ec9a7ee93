//! Where a link lives: on the host or inside a named netns.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

use crate::name::{LinkName, NameError, NetnsName};

/// A network stack this tool acts on.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Place {
    /// The netns the tool was started in.
    #[default]
    Host,
    /// A named netns under `/run/netns`.
    Netns(NetnsName),
}

impl Place {
    /// Names the link `name` in this place.
    #[must_use]
    pub fn link(&self, name: &LinkName) -> LinkAt {
        LinkAt { place: self.clone(), name: name.clone() }
    }

    /// Says where: `on the host` or `in netns 'red'`.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Host => "on the host".to_owned(),
            Self::Netns(name) => format!("in netns '{name}'"),
        }
    }

    /// Returns the netns, unless this is the host.
    #[must_use]
    pub fn netns(&self) -> Option<&NetnsName> {
        match self {
            Self::Host => None,
            Self::Netns(name) => Some(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Netns(name) => write!(f, "netns '{name}'"),
        }
    }
}

/// A link and where it lives: link names are unique only within one netns.
///
/// Notes hold it as `NETNS:LINK`, or as `LINK` if it is the host's: no name of either kind has a colon.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkAt {
    /// The network stack.
    pub place: Place,
    /// The link's name there.
    pub name: LinkName,
}

impl LinkAt {
    /// Names a link on the host.
    #[must_use]
    pub fn on_host(name: LinkName) -> Self {
        Self { place: Place::Host, name }
    }

    /// Names a link inside a netns.
    #[must_use]
    pub fn inside(netns: NetnsName, name: LinkName) -> Self {
        Self { place: Place::Netns(netns), name }
    }
}

impl Serialize for LinkAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.place {
            Place::Host => serializer.serialize_str(self.name.as_str()),
            Place::Netns(netns) => serializer.collect_str(&format_args!("{netns}:{}", self.name)),
        }
    }
}

impl<'de> Deserialize<'de> for LinkAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LinkAtVisitor)
    }
}

struct LinkAtVisitor;

impl Visitor<'_> for LinkAtVisitor {
    type Value = LinkAt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a link, or a netns and a link with a colon between them")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LinkAt, E> {
        let (place, name) = match text.split_once(':') {
            Some((netns, name)) => (Place::Netns(NetnsName::new(netns).map_err(E::custom)?), name),
            None => (Place::Host, text),
        };
        Ok(LinkAt { place, name: LinkName::new(name).map_err(E::custom)? })
    }
}

impl fmt::Display for LinkAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host => write!(f, "link '{}'", self.name),
            Place::Netns(netns) => write!(f, "link '{}' in netns '{netns}'", self.name),
        }
    }
}

/// A network stack to look into or to run a program in: unlike a [`Place`], also one without a name.
///
/// ```
/// use netns_engine::place::Entrance;
///
/// assert!(matches!("red".parse(), Ok(Entrance::Named(_))));
/// assert!(matches!("/proc/1/ns/net".parse(), Ok(Entrance::File(_))));
/// assert!("a b".parse::<Entrance>().is_err());
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// The netns the tool was started in.
    #[default]
    Host,
    /// A named netns under `/run/netns`.
    Named(NetnsName),
    /// Any namespace file, such as `/proc/PID/ns/net`.
    File(PathBuf),
}

impl FromStr for Entrance {
    type Err = NameError;

    /// Takes what holds a slash as a path, anything else as a name.
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('/') { Ok(Self::File(text.into())) } else { text.parse().map(Self::Named) }
    }
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Named(name) => write!(f, "netns '{name}'"),
            Self::File(path) => write!(f, "netns '{}'", path.to_string_lossy().escape_debug()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_through_a_note() {
        let name = LinkName::new("eth0").unwrap();
        let inside = LinkAt::inside(NetnsName::new("red").unwrap(), name.clone());
        for (at, text) in [(LinkAt::on_host(name), "\"eth0\""), (inside, "\"red:eth0\"")] {
            assert_eq!(serde_json::to_string(&at).unwrap(), text);
            assert_eq!(serde_json::from_str::<LinkAt>(text).unwrap(), at);
        }
        for wrong in ["\"\"", "\"red:\"", "\":eth0\"", "\"red:eth0:1\"", "\"../red:eth0\"", "7"] {
            assert!(serde_json::from_str::<LinkAt>(wrong).is_err(), "{wrong}");
        }
    }
}
