//! Kernel settings in the model: those of all links do more than they say.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::{Link, Observed, Stack};
use crate::{
    address::Family,
    kernel::Refusal,
    name::LinkName,
    operation::Operation,
    place::{LinkAt, Place},
    route::{Route, RouteProtocol},
    sysctl::{NamedSetting, Sysctl},
};

impl Observed {
    pub(super) fn set_sysctl(&mut self, place: &Place, sysctl: &Sysctl, value: i32) -> Result<(), Refusal> {
        let stack = self.stacks.get_mut(place).ok_or(Errno::NOENT)?;
        let before = stack.sysctls.get(sysctl).copied();
        let of_missing_link = sysctl.link().is_some_and(|link| !stack.links.contains_key(link));
        if before.is_none() && of_missing_link {
            return Err(Errno::NOENT.into());
        }
        stack.sysctls.insert(sysctl.clone(), value);
        match sysctl {
            // Writing the value that is there already leaves the links alone; with IPv6 it does not.
            Sysctl::IpForward if before != Some(value) => stack.switch_ipv4(value),
            Sysctl::Ipv6Forwarding => stack.switch_ipv6(value),
            Sysctl::DisableIpv6(link) => stack.ipv6_switched(link, before, value),
            _ if sysctl.is_copied() => stack.copy_to_each_link(sysctl, value),
            _ => {}
        }
        Ok(())
    }

    /// Notes the value of a link's setting that was not read, if the link is there.
    pub(crate) fn assume(&mut self, link: &LinkAt, setting: Sysctl, value: i32) {
        if let Some(stack) = self.stacks.get_mut(&link.place)
            && stack.links.contains_key(&link.name)
        {
            stack.sysctls.entry(setting).or_insert(value);
        }
    }

    /// Puts a setting back, and those that the way there and back would leave changed.
    pub(super) fn undo_sysctl(&self, place: &Place, sysctl: &Sysctl, value: i32) -> Vec<Operation> {
        let Some(before) = self.sysctl(place, sysctl) else { return Vec::new() };
        let mut operations = vec![Operation::SetSysctl(place.clone(), sysctl.clone(), before)];
        if !matches!(sysctl, Sysctl::IpForward | Sysctl::Ipv6Forwarding) && !sysctl.is_copied() {
            operations.extend(self.ipv6_lost_with(place, sysctl, value));
            return operations;
        }
        let there_and_back =
            [value, before].map(|to| Operation::SetSysctl(place.clone(), sysctl.clone(), to));
        for (setting, value) in self.settings_changed_by(place, &there_and_back) {
            operations.push(Operation::SetSysctl(place.clone(), setting, value));
        }
        for link in self.stack(place).into_iter().flat_map(|stack| stack.links.keys()) {
            let copy = sysctl.copied_to(link);
            operations.extend(copy.into_iter().flat_map(|copy| self.ipv6_lost_with(place, &copy, value)));
        }
        operations
    }

    /// What a link loses that IPv6 is switched off on.
    fn ipv6_lost_with(&self, place: &Place, sysctl: &Sysctl, value: i32) -> Vec<Operation> {
        let Sysctl::DisableIpv6(link) = sysctl else { return Vec::new() };
        let at = place.link(link);
        let is_on = value == 0 || self.sysctl(place, sysctl).is_some_and(|is| is != 0);
        self.link(&at).filter(|_| !is_on).map_or_else(Vec::new, |link| self.ipv6_through(&at, link))
    }

    /// Returns the settings of `place` that differ after `operations`, with the values they have
    /// before.
    pub(crate) fn settings_changed_by(&self, place: &Place, operations: &[Operation]) -> Vec<(Sysctl, i32)> {
        let mut after = self.only(place);
        for operation in operations {
            // What the model refuses changes nothing.
            drop(after.project(operation));
        }
        let before = self.stack(place).map_or_else(BTreeMap::new, |stack| stack.sysctls.clone());
        before.into_iter().filter(|(setting, value)| after.sysctl(place, setting) != Some(*value)).collect()
    }
}

impl Stack {
    /// A new link starts with what `default` says, as far as that was read.
    pub(super) fn start_as_default(&mut self, link: &LinkName) {
        let settings: [&dyn Fn(LinkName) -> Sysctl; 3] =
            [&Sysctl::DisableIpv6, &|link| Sysctl::LinkForwarding(Family::Ipv4, link), &|link| {
                Sysctl::LinkForwarding(Family::Ipv6, link)
            }];
        for setting in settings {
            if let Some(value) = self.by_default(setting) {
                self.sysctls.insert(setting(link.clone()), value);
            }
        }
    }

    /// A new link may do without IPv6 though nobody said so of itself.
    pub(super) fn start_without_ipv6(&mut self, link: &LinkName) {
        let has_room = self.links.get(link).is_some_and(Link::has_room_for_ipv6);
        if let Some(value) = self.by_default(&Sysctl::DisableIpv6).filter(|value| *value != 0 && has_room) {
            self.sysctls.insert(Sysctl::DisableIpv6(link.clone()), value);
        }
    }

    /// What a new link has of a setting: of the host's it is read by what it is, of a node's as its file names it.
    pub(super) fn by_default(&self, setting: &dyn Fn(LinkName) -> Sysctl) -> Option<i32> {
        let of_default = setting(LinkName::from_kernel("default"));
        let as_named = || NamedSetting::new(of_default.path()).ok().map(Sysctl::Named);
        let value = self.sysctls.get(&of_default);
        value.or_else(|| self.sysctls.get(&as_named()?)).copied()
    }

    fn copy_to_each_link(&mut self, sysctl: &Sysctl, value: i32) {
        let links: Vec<_> = self.links.keys().cloned().chain([LinkName::from_kernel("default")]).collect();
        for link in links {
            let Some(copy) = sysctl.copied_to(&link) else { continue };
            let has_it = self.links.get(&link).is_none_or(Link::has_room_for_ipv6);
            if has_it {
                let before = self.sysctls.insert(copy.clone(), value);
                if let Sysctl::DisableIpv6(link) = &copy {
                    self.ipv6_switched(link, before, value);
                }
            }
        }
    }

    /// As `addrconf_disable_change` in `net/ipv6/addrconf.c` does.
    fn ipv6_switched(&mut self, link: &LinkName, before: Option<i32>, value: i32) {
        if value != 0 && before.is_none_or(|before| before == 0) {
            self.lose_ipv6(link);
        }
    }

    /// As `inet_forward_change` in `net/ipv4/devinet.c` does.
    fn switch_ipv4(&mut self, value: i32) {
        self.copy_to_links(Family::Ipv4, value);
        if let Some(accept_redirects) = self.sysctls.get_mut(&Sysctl::AcceptRedirects) {
            *accept_redirects = i32::from(value == 0);
        }
    }

    /// As `addrconf_fixup_forwarding` and `rt6_purge_dflt_routers` in `net/ipv6` do.
    fn switch_ipv6(&mut self, value: i32) {
        self.copy_to_links(Family::Ipv6, value);
        if value != 0 {
            let sysctls = &self.sysctls;
            self.routes.retain(|route| !is_advertised(route) || keeps_advertised_routes(sysctls, route));
        }
    }

    fn copy_to_links(&mut self, family: Family, value: i32) {
        for (known, setting) in &mut self.sysctls {
            if matches!(known, Sysctl::LinkForwarding(of, _) if *of == family) {
                *setting = value;
            }
        }
    }
}

fn is_advertised(route: &Route) -> bool {
    route.is_default() && route.protocol == RouteProtocol::RouterAdvertisement
}

fn keeps_advertised_routes(sysctls: &BTreeMap<Sysctl, i32>, route: &Route) -> bool {
    let of_link = |link: &LinkName| sysctls.get(&Sysctl::AcceptRa(link.clone()));
    route.link.as_ref().and_then(of_link) == Some(&2)
}
