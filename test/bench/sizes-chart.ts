// Draws what sizes.ts measured: microseconds over the number of records, as an SVG that a README can show.

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** One for each size, in their order. */
  readonly values: readonly number[];
}

export interface Chart {
  readonly title: string;
  /** On the axis below, evenly spaced: sizes grow tenfold. */
  readonly sizes: readonly number[];
  /** Said under each size. */
  readonly notes: readonly string[];
  readonly lines: readonly Line[];
  readonly unit: string;
}

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 60;
const RIGHT = 30;
const TOP = 50;
const BOTTOM = 90;
const GRID_LINES = 4;

/** All values are at or above zero, and so is the axis: growth must not look larger than it is. */
export function drawChart({ title, sizes, notes, lines, unit }: Chart): string {
  const top = roundUp(Math.max(...lines.flatMap(({ values }) => values), 1));
  const x = (index: number): number =>
    LEFT + ((WIDTH - LEFT - RIGHT) * (index + 0.5)) / sizes.length;
  const y = (value: number): number => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / top;
  const grid = Array.from({ length: GRID_LINES + 1 }, (_, index) => (top * index) / GRID_LINES);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="sans-serif" font-size="13">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 24, title, 'start', 16),
    ...grid.map((value) => gridLine(y(value), `${value} ${unit}`)),
    ...sizes.map((size, index) => text(x(index), HEIGHT - BOTTOM + 20, size.toLocaleString('en'))),
    ...notes.map((note, index) => text(x(index), HEIGHT - BOTTOM + 38, note, 'middle', 11)),
    ...lines.map((line) => drawLine(line, x, y)),
    ...lines.map((line, index) => legend(line, index)),
    '</svg>',
    '',
  ].join('\n');
}

function drawLine({ values, colour }: Line, x: Scale, y: Scale): string {
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  const marks = values.map((value, index) => {
    const at = { x: x(index), y: y(value) };
    const mark = `<circle cx="${at.x.toFixed(1)}" cy="${at.y.toFixed(1)}" r="4" fill="${colour}"/>`;
    return mark + text(at.x, at.y - 9, value.toFixed(1), 'middle', 11);
  });
  return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>${marks.join('')}`;
}

type Scale = (value: number) => number;

const gridLine = (at: number, label: string): string =>
  `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#dddddd"/>` +
  text(LEFT - 6, at + 4, label, 'end', 11);

function legend({ name, colour }: Line, index: number): string {
  const left = LEFT + index * 240;
  const top = HEIGHT - 28;
  return (
    `<rect x="${left}" y="${top}" width="14" height="14" fill="${colour}"/>` +
    text(left + 20, top + 12, name, 'start')
  );
}

const text = (
  x: number,
  y: number,
  words: string,
  anchor: 'start' | 'middle' | 'end' = 'middle',
  size = 13,
): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}">${escaped(words)}</text>`;

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** 1, 2 or 4 times a power of ten: grid lines then have short names. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}
