/** The page's style: one column, two where there is room; light and dark; no fonts or files from elsewhere. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#fff;--raised:#f6f7f8;--ink:#17191c;--muted:#5c646d;--rule:#e2e5e9;--grid:#eceef1;
--first:#2458c5;--second:#c2570c;--third:#0f7a6c;--fourth:#8a3ea8;--quiet:#c9d3e6;--faint:#b9c9ea;--good:#16803f;--bad:#c0362c;--tile:64px}
@media (prefers-color-scheme:dark){:root{--paper:#131518;--raised:#1b1e23;--ink:#e8eaed;--muted:#9aa3ad;--rule:#2c3138;--grid:#23272d;
--first:#7aa7ff;--second:#f19a52;--third:#4cc3b0;--fourth:#c893e6;--quiet:#333f57;--faint:#38507f;--good:#4cc77a;--bad:#f0776c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:1000px;margin:0 auto;padding:0 24px}
header{padding-top:56px}
.brand{margin:0 0 8px;color:var(--muted);font-size:14px;letter-spacing:.02em}
h1{margin:0;font-size:32px;line-height:1.2;letter-spacing:-.015em;font-weight:650;overflow-wrap:anywhere}
header p.summary{margin:14px 0 0;max-width:68ch;font-size:18px;color:var(--muted)}
section{margin-top:56px}
h2{margin:0 0 16px;padding-top:20px;border-top:1px solid var(--rule);font-size:22px;line-height:1.3;letter-spacing:-.01em;font-weight:620}
h3{margin:0;font-size:15px;font-weight:620}
.lead{margin:-8px 0 20px;max-width:72ch;color:var(--muted)}
.note{margin:14px 0 0;max-width:80ch;color:var(--muted);font-size:14px}
.detail{display:block;color:var(--muted);font-weight:400;font-size:13px;line-height:1.35}
.tables,.charts,.lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:36px 48px;align-items:start}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
caption{margin-bottom:8px;text-align:left;font-size:15px;font-weight:620}
caption .detail{display:inline;margin-left:6px}
th,td{padding:8px 0 8px 16px;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top;font-weight:400}
th:first-child{padding-left:0;text-align:left}
thead th{padding-top:4px;padding-bottom:4px;color:var(--muted);font-size:13px;white-space:nowrap}
tbody th{font-size:15px;line-height:1.4}
td{line-height:1.3125}
td b{font-weight:400}
.wide{width:35%}
td.wide{white-space:nowrap}
td.wide b{display:inline-block;width:48px}
.meter{display:inline-block;width:calc(100% - 48px);height:8px;background:var(--grid);border-radius:4px;overflow:hidden;text-align:left;vertical-align:middle}
.meter span{display:block;height:100%;background:var(--muted);opacity:.55;border-radius:4px}
.own th,.own td b{font-weight:650}
.own .meter span{background:var(--first);opacity:1}
figure{margin:0}
.chart figcaption{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:2px 16px;margin-bottom:6px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;margin:0;color:var(--muted);font-size:13px}
.key::before{content:"";display:inline-block;width:14px;height:3px;margin-right:6px;border-radius:2px;vertical-align:middle;background:var(--first)}
.key.faint::before{background:var(--faint)}.key.second::before{background:var(--second)}.key.third::before{background:var(--third)}.key.fourth::before{background:var(--fourth)}
.key.bar::before{width:10px;height:10px}.key.quiet::before{background:var(--quiet)}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--muted);font-size:12px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid)}.axis{stroke:var(--muted);stroke-opacity:.6}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.line.first{stroke:var(--first)}.line.second{stroke:var(--second)}.line.third{stroke:var(--third)}.line.fourth{stroke:var(--fourth)}
.line.faint{stroke:var(--faint);stroke-width:1}
circle.first{fill:var(--first)}circle.second{fill:var(--second)}circle.third{fill:var(--third)}circle.fourth{fill:var(--fourth)}
rect.bar{fill:var(--first)}rect.quiet{fill:var(--quiet)}
.beside p{margin:0 0 12px;max-width:60ch;color:var(--muted)}
.charts+ol{margin-top:32px}
ol{margin:0;padding:0;list-style:none}
.tile{position:relative;width:var(--tile);flex:none}
.tile img{display:block;width:var(--tile);height:var(--tile);object-fit:contain;background:#fff;border-radius:5px;box-shadow:0 0 0 1px var(--rule)}
.tile figcaption{margin-top:6px;text-align:center;color:var(--muted);font-size:12px;line-height:1.3;font-variant-numeric:tabular-nums}
.tile.right img{box-shadow:0 0 0 3px var(--good)}
.tile.right figcaption{color:var(--good);font-weight:650}
.tile.missed::after{content:"\\00d7";position:absolute;top:-6px;right:-6px;width:16px;height:16px;border-radius:50%;background:var(--bad);color:var(--paper);font:700 13px/16px system-ui,sans-serif;text-align:center}
.strip,.anchor{display:flex;flex-wrap:wrap;gap:12px}
.anchor{flex:none}
.misses,.views{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:24px 48px}
.misses,.views{--tile:52px}
.misses li,.views li{display:flex;gap:26px}
.neighbours li{display:grid;grid-template-columns:96px 1fr 1fr;gap:0 32px;padding:18px 0;border-bottom:1px solid var(--rule)}
.neighbours li:first-child{padding-top:0}.neighbours li:last-child{border:0}
.suspects{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr));gap:20px 32px}
.suspects li{display:flex;gap:14px;align-items:center}
.suspects .pair{display:flex;gap:6px;flex:none}
.suspects .said{min-width:0;font-size:13px;line-height:1.35;color:var(--muted)}
.suspects p{margin:0 0 2px;color:var(--ink);font-variant-numeric:tabular-nums}
.suspects .name{display:block;overflow-wrap:anywhere}
.relation{font-weight:650;color:var(--bad)}
.map svg{background:var(--raised);border-radius:8px}
.map image{image-rendering:auto}
.map .frame{fill:none;stroke:var(--rule);stroke-width:1}
.map .dot{fill:var(--muted);fill-opacity:.55}
.map .legend{margin:10px 0 0}
.g0{--group:#2458c5}.g1{--group:#c2570c}.g2{--group:#0f7a6c}.g3{--group:#8a3ea8}.g4{--group:#b3261e}.g5{--group:#8a6d00}.g6{--group:#4a7d1e}.g7{--group:#0b7fab}.g8{--group:#c2418b}.g9{--group:#6b6f76}
.map .frame.grouped{stroke:var(--group);stroke-width:2.5}.map .dot.grouped{fill:var(--group);fill-opacity:.8}
.key.grouped::before{width:10px;height:10px;background:var(--group)}
.study svg{max-width:860px}.study text.name{fill:var(--ink)}.study text.reference{font-weight:650}.study text.baseline{fill:var(--muted);font-style:italic}
.study line.baseline{stroke:var(--second);stroke-dasharray:3 4;stroke-opacity:.5}
.study circle.method{fill:var(--first);fill-opacity:.75}.study circle.reference{fill:var(--ink);fill-opacity:.75}.study circle.baseline{fill:var(--paper);stroke:var(--second);stroke-width:1.5}
.study .mean{stroke-width:2.5}.study .mean.method{stroke:var(--first)}.study .mean.reference{stroke:var(--ink)}.study .mean.baseline{stroke:var(--second)}
.scroll{overflow-x:auto}.scroll+.scroll{margin-top:32px}
.comparison th,.comparison td,.figures th,.figures td{white-space:nowrap}
.comparison thead th,.figures thead th{white-space:normal;vertical-align:bottom}
.comparison{font-size:14px}.comparison th,.comparison td{padding:7px 0 7px 12px}.comparison tbody th{font-size:14px}.comparison thead th{font-size:12px}
.comparison .verdict{margin:0}.comparison .seeds{color:var(--muted)}
tr.quiet th,tr.quiet td{color:var(--muted)}
.findings{margin:20px 0 0;padding-left:20px;max-width:80ch}.findings li{margin:0 0 4px}
.asked .name{display:block;margin-top:4px;font-size:13px;line-height:1.3;color:var(--muted);overflow-wrap:anywhere}
.found p{margin:0 0 8px;font-size:13px;color:var(--muted)}
.verdict{margin-left:6px;color:var(--ink)}
.verdict.bad{color:var(--bad)}
.verdict.good{color:var(--good);font-weight:650}
dl{display:grid;grid-template-columns:minmax(9em,auto) 1fr;margin:8px 0 0;font-size:14px}
dt,dd{margin:0;padding:5px 0;border-bottom:1px solid var(--rule)}
dt{padding-right:16px;color:var(--muted)}
dd{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.lists+h3{margin-top:32px}
pre{margin:8px 0 0;padding:14px 16px;overflow-x:auto;background:var(--raised);border-radius:8px;font:14px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
footer{margin-top:56px;padding-top:20px;padding-bottom:48px;color:var(--muted);font-size:13px}
footer p{margin:0 0 4px}
@media (min-width:1001px){.neighbours img{image-rendering:pixelated}}
@media (max-width:1000px){:root{--tile:52px}.neighbours li{grid-template-columns:80px 1fr 1fr;gap:0 20px}.neighbours .strip{gap:8px}}
@media (max-width:820px){.neighbours li{grid-template-columns:1fr 1fr;gap:14px 20px}.asked{grid-column:1/-1;display:flex;align-items:center;gap:14px}.suspects{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr));gap:20px 32px}
.suspects li{display:flex;gap:14px;align-items:center}
.suspects .pair{display:flex;gap:6px;flex:none}
.suspects .said{min-width:0;font-size:13px;line-height:1.35;color:var(--muted)}
.suspects p{margin:0 0 2px;color:var(--ink);font-variant-numeric:tabular-nums}
.suspects .name{display:block;overflow-wrap:anywhere}
.relation{font-weight:650;color:var(--bad)}
.map svg{background:var(--raised);border-radius:8px}
.map image{image-rendering:auto}
.map .frame{fill:none;stroke:var(--rule);stroke-width:1}
.map .dot{fill:var(--muted);fill-opacity:.55}
.map .legend{margin:10px 0 0}
.g0{--group:#2458c5}.g1{--group:#c2570c}.g2{--group:#0f7a6c}.g3{--group:#8a3ea8}.g4{--group:#b3261e}.g5{--group:#8a6d00}.g6{--group:#4a7d1e}.g7{--group:#0b7fab}.g8{--group:#c2418b}.g9{--group:#6b6f76}
.map .frame.grouped{stroke:var(--group);stroke-width:2.5}.map .dot.grouped{fill:var(--group);fill-opacity:.8}
.key.grouped::before{width:10px;height:10px;background:var(--group)}
.asked .name{margin:0;font-size:15px;color:var(--ink)}}
@media (max-width:660px){.neighbours li{grid-template-columns:1fr}}
@media (max-width:520px){:root,.misses,.views{--tile:56px}.tile img{image-rendering:pixelated}main,header,footer{padding-left:16px;padding-right:16px}header{padding-top:32px}h1{font-size:26px}
header p.summary{font-size:16px}section{margin-top:40px}.strip,.anchor{gap:10px}.misses li,.views li{flex-direction:column;gap:10px}
th,td{padding-left:10px}.wide{width:34%}.tables,.charts,.lists{gap:32px}dl{grid-template-columns:minmax(7.5em,auto) 1fr}}
@media print{section{break-inside:avoid}}
`;
