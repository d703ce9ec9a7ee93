//! Tunnels and shared links in the model.

use rustix::io::Errno;

use super::{Link, LinkKind, Observed};
use crate::{
    kernel::Refusal,
    name::LinkName,
    operation::{LinkLocal, NewLink, NewLinkKind},
    place::LinkAt,
    sysctl::Sysctl,
};

impl Observed {
    /// Master and parent are looked up first, then the name; the master takes its port last.
    pub(super) fn add_link(&mut self, new: &NewLink) -> Result<(), Refusal> {
        let master = new.master.as_ref().map(|bridge| new.at.place.link(bridge));
        let master = master.map(|bridge| self.link(&bridge).ok_or(Errno::NODEV)).transpose()?;
        let takes_ports = master.is_none_or(|master| master.kind == LinkKind::Bridge);
        let mtu_bytes = match &new.kind {
            NewLinkKind::Vxlan { .. } => new.mtu_bytes.unwrap_or(1500),
            NewLinkKind::Macvlan { parent, .. } => self.mtu_on(parent, new)?,
        };
        self.refuse_taken(&new.at)?;
        if !takes_ports {
            return Err(Errno::OPNOTSUPP.into());
        }
        let link = Link {
            mac: Some(new.mac),
            mtu_bytes,
            master: new.master.clone(),
            ours: true,
            ..Link::new(LinkKind::Other(new.kind.word().to_owned()))
        };
        let stack = self.stack_mut(&new.at.place);
        stack.add_link(new.at.name.clone(), link);
        stack.start_without_ipv6(&new.at.name);
        if new.link_local == LinkLocal::None {
            stack.sysctls.insert(Sysctl::AddrGenMode(new.at.name.clone()), 1);
        }
        Ok(())
    }

    /// As `macvlan_common_newlink` and `macvlan_port_create` in `drivers/net/macvlan.c` do.
    fn mtu_on(&self, parent: &LinkName, new: &NewLink) -> Result<u32, Refusal> {
        let parent = self.link(&LinkAt::on_host(parent.clone())).ok_or(Errno::NODEV)?;
        self.refuse_taken(&new.at)?;
        let mtu_bytes = new.mtu_bytes.unwrap_or(parent.mtu_bytes);
        if mtu_bytes > parent.mtu_bytes || parent.kind == LinkKind::Loopback {
            return Err(Errno::INVAL.into());
        }
        // A bridge has taken what comes in by it (`netdev_is_rx_handler_busy`).
        if parent.master.is_some() {
            return Err(Errno::BUSY.into());
        }
        Ok(mtu_bytes)
    }
}
