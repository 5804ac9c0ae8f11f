"""The one style sheet, which stands in each page: nothing else is loaded."""

import base64
import hashlib

__all__ = ["POLICY", "STYLE"]

STYLE = """
:root{color-scheme:light dark;--text:#1b1f24;--soft:#4b5563;--back:#fff;--line:#d0d5dd;--band:#f3f5f8;--link:#0b4fc4}
@media (prefers-color-scheme:dark){:root{--text:#e6e8eb;--soft:#aab2bd;--back:#14171b;--line:#3a414b;--band:#1e232a;
--link:#8fb8ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
a{color:var(--link)}
a:focus-visible,input:focus-visible,button:focus-visible,.wide:focus-visible{outline:3px solid var(--link);
outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--back);padding:.25rem .5rem}
header,main,footer{max-width:72rem;margin:0 auto;padding:.75rem 1rem}
header{border-bottom:1px solid var(--line)}
header a{font-weight:600;text-decoration:none}
footer{border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}
h1{font-size:1.4rem;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:1.5rem 0 .5rem}
.soft{color:var(--soft)}
form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end;margin:.75rem 0}
label{display:block;font-size:.875rem;color:var(--soft)}
input,button{font:inherit;color:inherit;background:var(--back);border:1px solid var(--soft);border-radius:.25rem;
padding:.4rem .6rem;min-height:2.75rem}
input{width:min(24rem,80vw)}
button{background:var(--band)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
caption{text-align:left;color:var(--soft);padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
td.number,th.number{text-align:right;white-space:nowrap}
code{font:.875em ui-monospace,monospace;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.25rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;min-width:0}
nav.pages{margin:.75rem 0}
@media (max-width:40rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}
thead{position:absolute;left:-99rem}tr{display:block;border-bottom:1px solid var(--line);padding:.4rem 0}
td,tbody th,td.number{display:block;border:0;padding:.1rem 0;text-align:left;white-space:normal}
td[data-label]::before{content:attr(data-label) ": ";color:var(--soft)}}
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of every page: this one style sheet and forms to this server, and nothing else."""
