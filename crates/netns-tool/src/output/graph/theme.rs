//! Colours, for light and for dark surroundings.

/// The style of the picture; plain values only, as not every viewer of SVG knows variables.
pub(super) const PICTURE: &str = "\
text{font-family:Inter,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:11px;fill:#1f2937}
.m{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}
.ground{fill:#f6f7f9}.frame{fill:#ffffff;stroke:#cbd5e1;stroke-width:1.5}
.title{font-size:16px;font-weight:700}.name{font-size:14px;font-weight:650}
.dim{fill:#5b6676}.small{font-size:10px}
.card{fill:#fbfcfe;stroke:#94a3b8}.router .card{fill:#fff8eb;stroke:#c2811b}
.badge{fill:#fde9c4}.badge-text{fill:#7a4b00;font-size:9.5px;font-weight:650}
.rule{stroke:#e2e8f0}.limit{fill:#8a4b00}.program{fill:#0b6b4f}
.bar{fill:#e4edff;stroke:#4f7fe0}.bar-nat{fill:#1f4fb3;font-weight:600}
.internal .bar{fill:#eef0f3;stroke:#8b95a5}.lock{fill:none;stroke:#5b6676;stroke-width:1.4}.lock-body{fill:#5b6676}
.cloud{fill:#eaf6ff;stroke:#6aa9d8;stroke-width:1.5}.cloud-text{fill:#14557f;font-weight:600;font-size:12px}
.chip{fill:#ffffff;stroke:#4f7fe0;stroke-width:1.5}.chip-shared{stroke:#7c4dbd}.chip-end{stroke:#64748b}
.tag{fill:#e3f6ec;stroke:#1f8a5b}.tag-host{fill:#eef0f3;stroke:#6b7686;stroke-dasharray:3 2}.tag-tunnel{fill:#f3ebff;stroke:#7c4dbd}
.line{fill:none;stroke:#64748b;stroke-width:1.6;stroke-linecap:round}
.limited{stroke:#c2811b;stroke-dasharray:6 3}.macvlan{stroke:#7c4dbd;stroke-dasharray:2 3}
.nat{stroke:#4f7fe0;stroke-width:2}.uplink{stroke:#6aa9d8;stroke-width:2.5}
.port{stroke:#1f8a5b}.tunnel{stroke:#7c4dbd;stroke-width:2}.arrow{fill:#1f8a5b}
.pill{fill:#4f7fe0}.pill-text{fill:#ffffff;font-size:9px;font-weight:700}
.halo{paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}
.node:hover .card,.network:hover .bar{stroke-width:2.5}.wire:hover .line{stroke-width:3.5}
@media (prefers-color-scheme:dark){
text{fill:#e5e9f0}.ground{fill:#0d1117}.frame{fill:#141a23;stroke:#3a4657}
.dim{fill:#9fadc0}
.card{fill:#1c2430;stroke:#64748b}.router .card{fill:#2b2416;stroke:#d6a04a}
.badge{fill:#4a3713}.badge-text{fill:#ffd88f}
.rule{stroke:#2c3646}.limit{fill:#f2b45c}.program{fill:#6fd3ab}
.bar{fill:#182a4d;stroke:#6c9bff}.bar-nat{fill:#a9c6ff}
.internal .bar{fill:#232a35;stroke:#7d899b}.lock{stroke:#9fadc0}.lock-body{fill:#9fadc0}
.cloud{fill:#10293b;stroke:#4d93c6}.cloud-text{fill:#a8d8f7}
.chip{fill:#141a23;stroke:#6c9bff}.chip-shared{stroke:#b795f0}.chip-end{stroke:#8b99ad}
.tag{fill:#10301f;stroke:#4cc38a}.tag-host{fill:#232a35;stroke:#8b99ad}.tag-tunnel{fill:#2a1f40;stroke:#b795f0}
.line{stroke:#8b99ad}.limited{stroke:#d6a04a}.macvlan{stroke:#b795f0}.nat{stroke:#6c9bff}.uplink{stroke:#4d93c6}
.port{stroke:#4cc38a}.tunnel{stroke:#b795f0}.arrow{fill:#4cc38a}
.pill{fill:#6c9bff}.pill-text{fill:#0d1117}.halo{stroke:#141a23}
}";

/// The style of the page around it.
pub(super) const PAGE: &str = "\
:root{color-scheme:light dark}
body{margin:0;background:#f6f7f9;color:#1f2937;font:15px/1.5 Inter,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
header,main>section,main>details{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}
.counts{color:#5b6676;margin:.15rem 0 1rem}
.picture{overflow-x:auto;text-align:center;padding:0 .5rem}
.picture svg{height:auto;max-width:100%}.picture .title{display:none}
ul.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.4rem;list-style:none;padding:0;margin:.75rem auto;font-size:.85rem;color:#5b6676;justify-content:center}
.legend svg{vertical-align:middle;margin-right:.45rem}
.checks{padding-left:1.1rem;margin:0}
summary{cursor:pointer;font-weight:600;margin:1rem 0 .5rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid #d9dfe7}
td{font-family:ui-monospace,'SF Mono',Menlo,Consolas,monospace}td div{overflow-wrap:anywhere;min-width:7rem}
footer{max-width:76rem;margin:2rem auto 1rem;padding:0 1.25rem;color:#5b6676;font-size:.8rem}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e5e9f0}.counts,.legend,ul.legend,footer{color:#9fadc0}th,td{border-color:#2c3646}}
@media print{details:not([open])>*{display:block}}";
