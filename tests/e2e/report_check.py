#!/usr/bin/env python3
"""What a browser makes of a report (--report): headless Chromium, from a screenshot and from the DOM.

    report_check.py REPORT.html HOST...

At 1280 and at 390 pixels, light and dark: nothing to scroll to the side, every text with a contrast of AA
(WCAG 2.1, 1.4.3) on its ground, every host named, no script and nothing from elsewhere. Says what is
wrong, and ends with 1.
"""

import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")

MEASURE = """
function channel(v) { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); }
function luminance(c) { return 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]); }
function parse(text) { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; }
function ground(view, e) {
	for (; e; e = e.parentElement) {
		const c = parse(view.getComputedStyle(e).backgroundColor);
		if (c[3] > 0) return c;
	}
	return [255, 255, 255, 1];
}
function measure(frame) {
	const doc = frame.contentDocument, view = frame.contentWindow, faint = [];
	doc.querySelectorAll('details').forEach(d => { d.open = true; });
	let texts = 0;
	for (const e of doc.body.querySelectorAll('*')) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.getClientRects().length) continue;
		texts++;
		const style = view.getComputedStyle(e), size = parseFloat(style.fontSize);
		const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
		const a = luminance(parse(style.color)), b = luminance(ground(view, e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (large ? 3 : 4.5)) faint.push(e.className + ' ' + e.tagName + ' ' + ratio.toFixed(2));
	}
	const outside = [...doc.querySelectorAll('[src],link[href],object,embed,iframe,form')].length;
	return {
		dark: view.matchMedia('(prefers-color-scheme: dark)').matches,
		width: doc.documentElement.clientWidth, scroll: doc.documentElement.scrollWidth,
		texts: texts, faint: [...new Set(faint)], scripts: doc.scripts.length, outside: outside,
		handlers: [...doc.querySelectorAll('*')].filter(e => [...e.attributes].some(
			a => a.name.startsWith('on'))).length,
		title: doc.title,
		hosts: [...doc.querySelectorAll('#timeline .name')].map(e => e.textContent),
		bars: [...doc.querySelectorAll('.track i')].map(e => e.getBoundingClientRect()).filter(
			r => r.width > 0 && r.height > 0).length,
	};
}
window.onload = () => {
	document.getElementById('found').textContent = JSON.stringify(measure(document.querySelector('iframe')));
};
"""


def browser():
    for name in BROWSERS:
        if shutil.which(name):
            return shutil.which(name)
    sys.exit("no browser: " + ", ".join(BROWSERS))


def chromium(folder, *options):
    done = subprocess.run(
        [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-dev-shm-usage", "--user-data-dir=" + folder + "/profile", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit("the browser ended with %d\n%s" % (done.returncode, done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


def measured(folder, page, width, dark):
    """The page in a frame of this width: from outside, so that it is as it is."""
    outer = folder + "/outer.html"
    with open(outer, "w", encoding="utf-8") as out:
        out.write("<!doctype html><meta charset=utf-8><iframe style='border:0;width:%dpx;height:3000px' "
                  "srcdoc=\"%s\"></iframe><pre id=found></pre><script>%s</script>"
                  % (width, html.escape(page), MEASURE))
    dom = chromium(folder, "--blink-settings=preferredColorScheme=%d" % (0 if dark else 1),
                   "--window-size=1400,3200", "--virtual-time-budget=5000", "--dump-dom",
                   "file://" + outer)
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    if not found or not found.group(1):
        sys.exit("the browser measured nothing")
    return json.loads(html.unescape(found.group(1)))


def screenshot(folder, path, width):
    """How large it is, and whether there is anything on it."""
    shot = "%s/%d.png" % (folder, width)
    chromium(folder, "--window-size=%d,1600" % width, "--screenshot=" + shot, "file://" + path)
    with open(shot, "rb") as file:
        data = file.read()
    size = struct.unpack(">II", data[16:24])
    if os.environ.get("KEEP_SHOTS"):
        shutil.copy(shot, os.environ["KEEP_SHOTS"])
    return size, len(data)


def problems_of(found, width, dark, hosts):
    if found["width"] != width or found["dark"] != dark:
        yield "it was measured at %s, dark: %s" % (found["width"], found["dark"])
    if found["scroll"] > width:
        yield "it is %d wide" % found["scroll"]
    if found["faint"]:
        yield "too little contrast: %s" % "; ".join(found["faint"])
    if found["texts"] < 20 or found["bars"] < len(hosts):
        yield "only %d texts and %d bars" % (found["texts"], found["bars"])
    if found["scripts"] or found["handlers"] or found["outside"]:
        yield "%(scripts)d scripts, %(handlers)d handlers, %(outside)d things from elsewhere" % found
    missing = set(hosts) - set(found["hosts"])
    if missing:
        yield "hosts are missing: " + ", ".join(sorted(missing))
    if found["hosts"] != list(dict.fromkeys(found["hosts"])):
        yield "a host is there twice"


def main():
    path, hosts = os.path.realpath(sys.argv[1]), sys.argv[2:]
    with open(path, encoding="utf-8") as file:
        page = file.read()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for width in 1280, 390:
            for dark in False, True:
                for problem in problems_of(measured(folder, page, width, dark), width, dark, hosts):
                    print("%d pixels, %s: %s" % (width, "dark" if dark else "light", problem))
                    wrong += 1
            size, length = screenshot(folder, path, width)
            if size[0] != width or length < 10000:
                print("%d pixels: a screenshot of %dx%d in %d bytes" % (width, *size, length))
                wrong += 1
    sys.exit(1 if wrong else 0)


main()
