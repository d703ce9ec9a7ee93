//! What the arguments of `doctor` ask for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path as FilePath, PathBuf},
};

use anyhow::{Result, anyhow};
use netns_engine::{
    diagnose::{
        packet::Protocol,
        question::{Destination, HostPort, Path, Question},
    },
    firewall::Transport,
    kernel::namespace,
    name::NetnsName,
    place::Entrance,
};

/// Reads the question.
///
/// # Errors
///
/// Tells which argument is none of the things it may be.
pub(super) fn question(subject: Option<&str>, destination: Option<&str>) -> Result<Question> {
    let Some(subject) = subject else { return Ok(Question::Host) };
    let Some(destination) = destination else {
        return Ok(match host_port(subject) {
            Some(port) if !is_netns(subject) => Question::Port(port),
            _ => Question::Path(Path {
                from: entrance(subject)?,
                to: Destination::Internet,
                protocol: Protocol::Udp,
                port: None,
            }),
        });
    };
    let (to, service) = target(destination)?;
    let (port, protocol) = match service {
        Some((port, transport)) => (Some(port), transport.into()),
        None => (None, Protocol::Icmp),
    };
    Ok(Question::Path(Path { from: entrance(subject)?, to, protocol, port }))
}

/// A name under `/run/netns`, a path, `pid:N`, `host`; a bare number is a pid, unless a netns is called so.
fn entrance(text: &str) -> Result<Entrance> {
    if is_netns(text) {
        return Ok(text.parse()?);
    }
    if text == "host" {
        return Ok(Entrance::Host);
    }
    if let Some(name) = text.strip_prefix("/run/netns/").filter(|name| is_netns(name)) {
        return Ok(name.parse()?);
    }
    let pid = text.strip_prefix("pid:").unwrap_or(text);
    match pid.parse::<u32>() {
        Ok(pid) => existing(PathBuf::from(format!("/proc/{pid}/ns/net"))),
        Err(_) if text.starts_with("pid:") => Err(anyhow!("'{}' is no process id", pid.escape_debug())),
        Err(_) => match text.parse()? {
            Entrance::File(path) => existing(path),
            named => Ok(named),
        },
    }
}

fn existing(path: PathBuf) -> Result<Entrance> {
    // A file that may not be looked at is there.
    if path.try_exists().unwrap_or(true) {
        Ok(Entrance::File(path))
    } else {
        Err(NoSuchNetns { path }.into())
    }
}

fn is_netns(text: &str) -> bool {
    NetnsName::new(text).is_ok_and(|name| namespace::path_of(&name).exists())
}

/// `8080`, `8080/udp`, `:8080`, `192.0.2.1:8080`, `[2001:db8::1]:8080`.
fn host_port(text: &str) -> Option<HostPort> {
    let (text, transport) = without_transport(text)?;
    let bare = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = bare.parse::<u16>() {
        return (port > 0).then_some(HostPort { address: None, port, transport });
    }
    let address: SocketAddr = text.parse().ok()?;
    let of_host = Some(address.ip()).filter(|ip| *ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    (address.port() > 0).then_some(HostPort { address: of_host, port: address.port(), transport })
}

fn without_transport(text: &str) -> Option<(&str, Transport)> {
    match text.rsplit_once('/') {
        None => Some((text, Transport::Tcp)),
        Some((rest, "tcp")) => Some((rest, Transport::Tcp)),
        Some((rest, "udp")) => Some((rest, Transport::Udp)),
        Some(_) => None,
    }
}

/// A namespace file, or a process, that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no netns '{}'", .path.to_string_lossy().escape_debug())]
pub(crate) struct NoSuchNetns {
    path: PathBuf,
}

type Service = (u16, Transport);

/// An address, a netns or a name, with a port or without.
fn target(text: &str) -> Result<(Destination, Option<Service>)> {
    if FilePath::new(text).is_absolute() || text.starts_with("pid:") {
        return Ok((Destination::Stack(entrance(text)?), None));
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok((Destination::Address(address), None));
    }
    let (whole, transport) = without_transport(text)
        .ok_or_else(|| anyhow!("'{}' ends in neither /tcp nor /udp", text.escape_debug()))?;
    if let Ok(address) = whole.parse::<SocketAddr>() {
        return Ok((Destination::Address(address.ip()), Some((address.port(), transport))));
    }
    let (name, service) = match whole.rsplit_once(':') {
        Some((name, port)) => {
            let port: u16 = port.parse().map_err(|_| anyhow!("'{}' is no port", port.escape_debug()))?;
            if port == 0 {
                return Err(anyhow!("'0' is no port"));
            }
            (name, Some((port, transport)))
        }
        None => (whole, None),
    };
    let named = match name {
        "host" if !is_netns(name) => Destination::Stack(Entrance::Host),
        name if is_netns(name) => Destination::Stack(name.parse()?),
        name if is_host_name(name) => Destination::Name(name.to_owned()),
        name => {
            return Err(anyhow!(
                "'{}' is neither an address, nor a netns, nor a host name",
                name.escape_debug()
            ));
        }
    };
    Ok((named, service))
}

/// Labels of letters, digits and hyphens (RFC 1123), joined by dots.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    text.len() < 254 && text.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(subject: &str, destination: &str) -> Path {
        match question(Some(subject), Some(destination)).unwrap() {
            Question::Path(path) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_number_alone_is_a_port_and_before_a_destination_a_process() {
        let port = HostPort { address: None, port: 8080, transport: Transport::Tcp };
        assert_eq!(question(Some("8080"), None).unwrap(), Question::Port(port));
        let own = std::process::id();
        let file = Entrance::File(format!("/proc/{own}/ns/net").into());
        assert_eq!(path(&own.to_string(), "192.0.2.1").from, file);
        assert!(question(Some("pid:4294967295"), None).is_err());
        let udp = HostPort { address: "192.0.2.1".parse().ok(), port: 53, transport: Transport::Udp };
        assert_eq!(question(Some("192.0.2.1:53/udp"), None).unwrap(), Question::Port(udp));
    }

    #[test]
    fn destinations_are_addresses_or_names_with_or_without_a_port() {
        let to = |text| {
            let path = path("no-such-netns", text);
            (path.to.to_string(), path.protocol, path.port)
        };
        assert_eq!(to("192.0.2.1"), ("192.0.2.1".to_owned(), Protocol::Icmp, None));
        assert_eq!(to("192.0.2.1:443"), ("192.0.2.1".to_owned(), Protocol::Tcp, Some(443)));
        assert_eq!(to("[2001:db8::1]:53/udp"), ("2001:db8::1".to_owned(), Protocol::Udp, Some(53)));
        assert_eq!(to("2001:db8::1"), ("2001:db8::1".to_owned(), Protocol::Icmp, None));
        assert_eq!(to("example.com:80"), ("'example.com'".to_owned(), Protocol::Tcp, Some(80)));
        for wrong in ["192.0.2.1:443/sctp", "a b", "host name:x", "", "blue:0"] {
            assert!(question(Some("red"), Some(wrong)).is_err(), "{wrong}");
        }
    }
}
