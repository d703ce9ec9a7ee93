//! Filters as other programs leave them: Docker, libvirt.

use crate::{
    breakage::{Breakage, Part, breakage},
    exchange::PUBLISHED,
    lab::Lab,
};

pub(crate) const ALL: &[Breakage] = &[
    breakage("docker", "docker-drops", Part::Filter, DOCKER).mended_by_typing(),
    breakage("docker_before_a_published_port", "docker-drops", Part::Filter, DOCKER)
        .asking("8080", PUBLISHED)
        .mended_by_typing(),
    breakage("an_old_docker", "docker-drops", Part::Filter, OLD_DOCKER).mended_by_typing(),
    breakage("docker_beside_an_nft_setup", "docker-drops", Part::Filter, DOCKER)
        .within(Lab::ByNft)
        .mended_by_typing(),
    breakage("libvirt", "libvirt-drops", Part::Filter, LIBVIRT).mended_by_typing(),
    breakage("libvirt_with_nftables", "libvirt-drops", Part::Filter, LIBVIRT_WITH_NFT).mended_by_typing(),
];

/// What Docker 28 makes for its default bridge: whatever else is forwarded meets the policy.
const DOCKER: &str = "
    iptables-restore --noflush <<'END'
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
END";

/// What Docker 20 to 27 makes.
const OLD_DOCKER: &str = "
    iptables-restore --noflush <<'END'
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
END";

/// What libvirt makes for an isolated network on the bridge.
const LIBVIRT: &str = "
    iptables-restore --noflush <<'END'
*filter
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
:LIBVIRT_FWX - [0:0]
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWX -i br0 -o br0 -j ACCEPT
-A LIBVIRT_FWI -o br0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -i br0 -j REJECT --reject-with icmp-port-unreachable
COMMIT
END";

/// The same by libvirt 10.4 and later.
const LIBVIRT_WITH_NFT: &str = "
    nft -f - <<'END'
table ip libvirt_network {
    chain forward {
        type filter hook forward priority filter; policy accept;
        counter jump guest_cross
        counter jump guest_input
        counter jump guest_output
    }
    chain guest_output { iifname br0 counter reject; }
    chain guest_input { oifname br0 counter reject; }
    chain guest_cross { iifname br0 oifname br0 counter accept; }
}
END";
