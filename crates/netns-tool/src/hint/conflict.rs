//! What to type next where the desired state contradicts what is there.

use netns_engine::{
    address::IpNet,
    observed::{Hold, Holder},
    place::Place,
    plan::Conflict,
    record::RecordKey,
    route::Route,
};

/// Returns the hint for `conflict`, if there is one.
pub(super) fn of(conflict: &Conflict) -> Option<String> {
    let by_subject = [about_netns, about_links, about_addresses, about_ports, about_nat];
    by_subject.into_iter().find_map(|hint| hint(conflict))
}

fn about_netns(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::NoNetns(name) => {
            format!("'netns-tool create {name}' makes it; 'netns-tool list' shows what there is")
        }
        Conflict::HalfMadeNetns(_) => "'netns-tool gc' removes half-made ones; then try again".to_owned(),
        Conflict::NetnsTaken(name) => {
            format!("use it as it is, choose another name, or 'netns-tool delete {name}' first")
        }
        Conflict::NotOfTopology { name, .. } => {
            format!("give the node another name, or 'netns-tool delete {name}' first")
        }
        Conflict::NoTopology(_) => {
            "'netns-tool status' shows what is up, 'netns-tool up FILE' brings it up".to_owned()
        }
        Conflict::NoProgram(_) => {
            "programs are what a topology file lists under 'run:' of a node; 'netns-tool exec' runs others"
                .to_owned()
        }
        Conflict::BootFileTaken(file) => format!("look at it: cat {file}; then move it away"),
        Conflict::ResolverTaken(name) => {
            format!("leave 'nameservers' of node '{name}' away, or move the file out of the way")
        }
        Conflict::HostsTaken(name) => {
            format!("write 'hosts: false' for node '{name}', or move the file out of the way")
        }
        Conflict::NetnsHeld { name, holders } if holders.iter().all(|holder| path_of(holder).is_some()) => {
            let paths: Vec<_> = holders.iter().filter_map(path_of).collect();
            format!("'umount {}', then 'netns-tool delete {name}'", paths.join(" "))
        }
        Conflict::NetnsHeld { name, .. } => {
            format!("end them first, or 'netns-tool delete {name} --kill' ends them")
        }
        Conflict::NodeHeld { topology, holders, .. } => match holders.iter().find_map(path_of) {
            Some(path) => format!("'umount {path}', then 'netns-tool down {topology}'"),
            None => "end them first; with --kill, this command ends them".to_owned(),
        },
        Conflict::NoNameServer | Conflict::LoopbackNameServer(_) => {
            "name servers that others can reach, such as 'netns-tool dns NETNS 9.9.9.9'".to_owned()
        }
        _ => return None,
    })
}

fn about_links(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::NoLink(at) => match at.place.netns() {
            Some(netns) => format!("'netns-tool show {netns}' shows its links"),
            None => "'ip link' shows the links there are".to_owned(),
        },
        Conflict::NoBridge(name) => format!(
            "'netns-tool bridge {name} --address 192.168.100.1/24' makes it; 'ip link show type bridge' shows the bridges"
        ),
        Conflict::LinkTaken { .. } => "choose another name, or delete that link first".to_owned(),
        Conflict::NotABridge { .. } => "'ip link show type bridge' shows the bridges".to_owned(),
        Conflict::NotOurs(at) => format!("'ip link delete {}' deletes what anybody made", at.name),
        Conflict::BridgeInUse { bridge, user: RecordKey::Published(published) } => {
            format!("'netns-tool unpublish {published}' first, then 'netns-tool bridge {bridge} --delete'")
        }
        Conflict::BridgeInUse { bridge, .. } => {
            format!("'netns-tool nat {bridge} --delete' first, then 'netns-tool bridge {bridge} --delete'")
        }
        Conflict::BridgeWithoutAddress(bridge) => {
            format!("'netns-tool bridge {bridge} --address 192.168.100.1/24' gives it one")
        }
        _ => return None,
    })
}

fn about_addresses(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::AddressInUse { .. } => {
            "choose another one; 'connect' without --address picks a free one".to_owned()
        }
        Conflict::SubnetFull { bridge, .. } => {
            format!(
                "delete a netns you need no more, or give '{bridge}' a larger network (a /24 has room for 253)"
            )
        }
        Conflict::NotAHostAddress(address) => {
            format!("its hosts are {}", hosts_of(address))
        }
        Conflict::NoAddress { at, .. } => {
            format!("'netns-tool address list{}' shows those it has", inside(&at.place))
        }
        Conflict::NoRoute { place, .. } => {
            format!("'netns-tool route list{}' shows those there are", inside(place))
        }
        Conflict::RouteTaken { place, route } => format!(
            "'netns-tool route del {}{}' first, or give the new one another metric",
            destination_of(route),
            inside(place)
        ),
        Conflict::OutsideSubnet { .. } => "leave --address away to have a free one picked".to_owned(),
        Conflict::Overlap { .. } => {
            "choose a network that the host has no route to, such as 10.99.0.1/24".to_owned()
        }
        Conflict::GatewayUnreachable { .. } => {
            "give a link an address in the gateway's network and switch it on first".to_owned()
        }
        _ => return None,
    })
}

fn about_ports(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::PortTaken { published, .. } => {
            format!("choose another port, or end that program; 'ss -lnp sport = {}' shows it", published.port)
        }
        Conflict::AlreadyPublished { published, .. } => {
            format!("'netns-tool unpublish {published}' takes it back first; or choose another port")
        }
        Conflict::NotPublished(published) => format!(
            "the address belongs to it: a port published on 0.0.0.0 goes by 'netns-tool unpublish 0.0.0.0:{}'",
            published.port
        ),
        Conflict::NotAHostsAddress(_) => {
            "'netns-tool address list' shows the host's addresses; 0.0.0.0 and [::] stand for all of them"
                .to_owned()
        }
        Conflict::OnIpv6Loopback(published) => {
            format!("publish it on 127.0.0.1, or with [::]:{} on every IPv6 address", published.port)
        }
        Conflict::Unreachable(name) => {
            format!("'netns-tool connect {name} BRIDGE' plugs it into a bridge that has an address")
        }
        _ => return None,
    })
}

fn about_nat(conflict: &Conflict) -> Option<String> {
    Some(match conflict {
        Conflict::UplinkMissing(_) => {
            "'ip link' shows the links there are; left away, the uplink is that of the default route"
                .to_owned()
        }
        Conflict::NoUplink => "name it: 'netns-tool nat BRIDGE UPLINK'; 'ip link' shows the links".to_owned(),
        Conflict::BridgeWithoutFamily { bridge, .. } => {
            format!("'netns-tool bridge {bridge} --address ADDRESS' gives it one of that family")
        }
        Conflict::BridgeIsUplink(bridge) => {
            format!("name another link: 'netns-tool nat {bridge} UPLINK'; 'ip link' shows the links")
        }
        Conflict::NotForIptables(_) => "'--firewall nftables' takes every name".to_owned(),
        Conflict::NoNat(bridge) => {
            format!("'netns-tool nat {bridge}' makes it; rules made by hand are yours to delete")
        }
        Conflict::NatDiffers { bridge, .. } => format!("'netns-tool nat {bridge} --delete' first"),
        Conflict::Missing { feature, .. } if feature.ends_with("tables") => {
            "'apt install iptables' brings the program; '--firewall nftables' does without it".to_owned()
        }
        _ => return None,
    })
}

/// Where a holder sees another mount of the netns, if that is how it holds it.
fn path_of(holder: &Holder) -> Option<String> {
    match &holder.by {
        Hold::Mount(path) => Some(path.escape_debug().to_string()),
        _ => None,
    }
}

/// The option that leads to a place, with a blank in front; nothing for the host.
fn inside(place: &Place) -> String {
    place.netns().map_or_else(String::new, |netns| format!(" --netns {netns}"))
}

fn destination_of(route: &Route) -> String {
    if route.is_default() { "default".to_owned() } else { route.destination.to_string() }
}

/// The addresses of a network that hosts can have.
fn hosts_of(network: &IpNet) -> String {
    let mut hosts = network.hosts().skip_while(|host| *host == network.network());
    match (hosts.next(), network.hosts().next_back()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    }
}
