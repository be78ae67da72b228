// The chart for the README: for each aim a bar of our ratio to the other side, on a logarithmic scale, with
// the aim as a mark and the rounds' spread as a line. Colours read on light and on dark ground.

import { type AimOutcome, judge } from './aims.js';
import type { LineOutcome } from './line.js';
import type { Machine } from './machine.js';

const WIDTH = 860;
const LABEL = 430;
const ROW = 22;
const TOP = 54;
const RIGHT = 60;
/** Ratios at the ends of the scale. */
const FROM = 0.1;
const TO = 20;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
/** What readers of a chart may not know by the names of the table. */
const NAMES: Readonly<Record<string, string>> = { tls: 'bare TLS', plain: 'rsynd in clear' };
const COLOURS = {
  text: '#808891',
  grid: '#80889155',
  met: '#2f9e6e',
  missed: '#d9822b',
  aim: '#6c7fd8',
};

const LEGEND =
  '<text x="8" y="38">bar: median; thin line: lowest to highest round; blue mark: the aim; ' +
  `<tspan fill="${COLOURS.met}" font-weight="bold">green</tspan> met, ` +
  `<tspan fill="${COLOURS.missed}" font-weight="bold">orange</tspan> missed; logarithmic scale</text>`;
/** Of the comparison, for the head. */
const WAY = '; both over TLS 1.3, AES-256-GCM, where nothing else is said';

export function drawChart(
  machine: Machine,
  outcomes: readonly LineOutcome[],
  { rounds, records }: { readonly rounds: number; readonly records: number },
): string {
  const size = `${rounds} round${rounds === 1 ? '' : 's'}, ${records} records`;
  const bars = outcomes.flatMap((outcome) =>
    judge(outcome)
      .filter(({ aim }) => aim.atLeast !== undefined)
      .map((each) => ({ ...each, title: outcome.line.title })),
  );
  const height = TOP + bars.length * ROW + 44;
  const { cpu, cores, node, commit, date } = machine;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    ` font-family="system-ui, sans-serif" font-size="12" fill="${COLOURS.text}">`,
    '<title>rsynd over TLS 1.3, beside others on the same machine</title>',
    text(8, 20, `rsynd as a multiple of the other side${WAY}`, 'bold'),
    LEGEND,
    ...TICKS.map((ratio) => tick(ratio, TOP + bars.length * ROW)),
    ...bars.map((bar, index) => drawBar(bar, TOP + index * ROW)),
    text(8, height - 8, `${cpu}, ${cores} cores, Node ${node}, commit ${commit}, ${date}; ${size}`),
    '</svg>',
    '',
  ].join('\n');
}

const x = (ratio: number): number => {
  const part = Math.log(Math.min(TO, Math.max(FROM, ratio)) / FROM) / Math.log(TO / FROM);
  return Math.round(LABEL + part * (WIDTH - LABEL - RIGHT));
};

function tick(ratio: number, bottom: number): string {
  const at = x(ratio);
  const weight = ratio === 1 ? 2 : 1;
  return (
    `<path d="M${at} ${TOP - 6}V${bottom}" stroke="${COLOURS.grid}" stroke-width="${weight}"/>` +
    text(at, bottom + 14, String(ratio), 'middle')
  );
}

function drawBar(bar: AimOutcome & { readonly title: string }, top: number): string {
  const { aim, beside, median, low, high, isMet, title } = bar;
  const colour = isMet ? COLOURS.met : COLOURS.missed;
  const middle = top + ROW / 2;
  const [left, right] = [x(Math.min(1, median)), x(Math.max(1, median))];
  const size = `width="${Math.max(1, right - left)}" height="${ROW - 10}"`;
  const mark = x(aim.atLeast ?? 1);
  const others = beside.map((name) => NAMES[name] ?? name).join(', ');
  const label = `${title} / ${beside.length > 1 ? 'best of ' : ''}${others}`;
  return [
    text(LABEL - 8, middle + 4, label, 'end'),
    `<rect x="${left}" y="${top + 5}" ${size} fill="${colour}"/>`,
    `<path d="M${x(low)} ${middle}H${x(high)}" stroke="${COLOURS.text}"/>`,
    `<path d="M${mark} ${top + 2}v${ROW - 4}" stroke="${COLOURS.aim}" stroke-width="3"/>`,
    text(WIDTH - RIGHT + 8, middle + 4, `${median.toFixed(2)} x`),
  ].join('');
}

function text(
  left: number,
  baseline: number,
  words: string,
  how?: 'end' | 'middle' | 'bold',
): string {
  const style = how === 'bold' ? ' font-weight="bold"' : how ? ` text-anchor="${how}"` : '';
  return `<text x="${left}" y="${baseline}"${style}>${escaped(words)}</text>`;
}

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
