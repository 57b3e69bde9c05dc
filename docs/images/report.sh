#!/usr/bin/env bash
# Makes the screenshots of the README, light and dark, from the report of `make demo`: the section with the series.
#
# Needs Chromium, and pngquant to make the files small.
set -euo pipefail
cd "$(dirname "$0")/../.."

report=$PWD/reports/report.html
[ -f "$report" ] || { echo "report.sh: $report is missing: run make demo" >&2; exit 1; }
browser=$(command -v chromium || command -v google-chrome)
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# Scrolls the report to its section: a screenshot begins at the top of the page.
cat >"$folder/page.html" <<END
<!doctype html>
<style>body { margin: 0; overflow: hidden } iframe { border: 0; width: 1100px; height: 12000px }</style>
<iframe src="file://$report"></iframe>
<script>
  const frame = document.querySelector("iframe");
  frame.addEventListener("load", () => setTimeout(() => {
    const place = frame.contentDocument.getElementById("series").getBoundingClientRect();
    frame.style.margin = \`-\${place.top - 8}px 0 0 -24px\`;
  }, 3000));
</script>
END

for scheme in dark light; do
  preferred=$([ $scheme = dark ] && echo 0 || echo 1)
  "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files \
    --blink-settings=preferredColorScheme="$preferred" --virtual-time-budget=15000 \
    --window-size=1052,905 --screenshot="$folder/$scheme.png" "file://$folder/page.html" 2>/dev/null
  pngquant --force --speed 1 --quality 60-95 --output "docs/images/report-$scheme.png" "$folder/$scheme.png"
done
ls -l docs/images/report-*.png
