//! Names the kernel and `ip netns` will accept, checked once, at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a network link, such as `eth0`.
///
/// At most 15 bytes: the kernel keeps 16 (`IFNAMSIZ` in `linux/if.h`), the last one for NUL.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "SmolStr")]
pub struct LinkName(SmolStr);

impl LinkName {
    /// The longest name the kernel takes, in bytes.
    pub const MAX_BYTES: usize = 15;

    /// Checks `name` against the kernel's rules (`dev_valid_name` in `net/core/dev.c`).
    ///
    /// Also refused: `%`, which the kernel would replace by a number (`a%d` becomes `a0`), and
    /// control characters, which would garble every terminal the name is shown on.
    ///
    /// # Errors
    ///
    /// Returns the first rule that `name` breaks.
    ///
    /// ```
    /// use netns_engine::name::LinkName;
    ///
    /// assert!(LinkName::new("veth-red").is_ok());
    /// let too_long = LinkName::new("container-uplink0").unwrap_err();
    /// assert_eq!(too_long.to_string(), "link name 'container-uplink0' is 17 bytes long; the kernel allows 15");
    /// ```
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.len() > Self::MAX_BYTES {
            return Err(NameError::LinkTooLong { name: name.to_owned() });
        }
        let forbidden = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control();
        if name.is_empty() || name == "." || name == ".." || name.contains(forbidden) {
            return Err(NameError::LinkMalformed { name: name.to_owned() });
        }
        Ok(Self(name.into()))
    }

    /// Takes a name as the kernel reported it; it obeys the kernel's rules by definition.
    pub(crate) fn from_kernel(name: impl Into<SmolStr>) -> Self {
        Self(name.into())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a network namespace: a file under `/run/netns`.
///
/// A letter or digit, then up to 62 letters, digits, `.`, `_` or `-`. `ip netns` takes almost any
/// file name, also ones with a newline or an escape sequence; this is the part of it that can be
/// typed, printed and put into a script without quoting.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "SmolStr")]
pub struct NetnsName(SmolStr);

impl NetnsName {
    /// The longest name taken, in bytes.
    pub const MAX_BYTES: usize = 63;

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// Returns the first rule that `name` breaks.
    ///
    /// ```
    /// use netns_engine::name::NetnsName;
    ///
    /// assert!(NetnsName::new("red").is_ok());
    /// assert!(NetnsName::new("../red").is_err());
    /// ```
    pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.len() > Self::MAX_BYTES {
            return Err(NameError::NetnsTooLong { name: name.to_owned() });
        }
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(inner) {
            return Err(NameError::NetnsMalformed { name: name.to_owned() });
        }
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`LinkName`] or a [`NetnsName`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Longer than the kernel's 15 bytes.
    #[error("link name '{}' is {} bytes long; the kernel allows 15", shown(name), name.len())]
    LinkTooLong {
        /// The rejected text.
        name: String,
    },
    /// Empty, `.`, `..`, or with a character that no link name may hold.
    #[error(
        "link name '{}' may not be empty, '.' or '..', nor hold '/', ':', '%', blanks or control characters",
        shown(name)
    )]
    LinkMalformed {
        /// The rejected text.
        name: String,
    },
    /// Longer than 63 bytes.
    #[error("netns name '{}' is {} bytes long; 63 are allowed", shown(name), name.len())]
    NetnsTooLong {
        /// The rejected text.
        name: String,
    },
    /// Not a letter or digit followed by letters, digits, `.`, `_` or `-`.
    #[error(
        "netns name '{}' must start with a letter or digit and hold only letters, digits, '.', '_' and '-'",
        shown(name)
    )]
    NetnsMalformed {
        /// The rejected text.
        name: String,
    },
}

/// Makes hostile text safe to print: control characters escaped, long texts cut.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 40;
    let mut text: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<SmolStr> for $name {
            type Error = NameError;

            fn try_from(text: SmolStr) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }
    };
}

text_conversions!(LinkName);
text_conversions!(NetnsName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_netns_names_are_refused_and_shown_harmlessly() {
        for name in ["", ".", "..", "../x", "a/b", "-x", "a\nb", "\u{1b}[31m", "a b", "é"] {
            let error = NetnsName::new(name).expect_err(name).to_string();
            assert!(!error.contains(['\n', '\u{1b}']), "{error:?}");
        }
        let long = NetnsName::new("x".repeat(300)).expect_err("too long").to_string();
        assert!(long.contains("300 bytes") && long.len() < 120, "{long}");
    }

    #[test]
    fn link_names_follow_the_kernel() {
        assert!(LinkName::new("exactly15bytes_").is_ok());
        for name in ["", ".", "..", "a/b", "a:b", "a b", "a%d", "a\u{7}", "sixteen-bytes-xx"] {
            assert!(LinkName::new(name).is_err(), "{name:?}");
        }
    }
}
