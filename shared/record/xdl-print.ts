// Writes a FileSpec as XDL, in the layout the field's own tools use. What it prints, parseXdl reads back to
// the same spec, fields excepted: XDL cannot say them.

import type { FileAttributes, FileSpec, KeySpec, SegmentSpec } from './file-spec.js';

type Line = readonly [keyword: string, value: string | number | boolean | undefined];

/** XDL text of a definition. `fileName` becomes FILE NAME. */
export function printXdl(spec: FileSpec, options: { readonly fileName?: string } = {}): string {
  const sections = [
    printSection('FILE', fileLines(spec, options.fileName)),
    printSection('RECORD', recordLines(spec)),
    ...spec.keys.map((key, number) =>
      printSection(`KEY ${number}`, keyLines(key, spec.seeds?.[number])),
    ),
  ];
  return sections.join('\n');
}

function printSection(title: string, lines: readonly Line[]): string {
  const stated = lines.flatMap(([keyword, value]) =>
    value === undefined ? [] : [`\t${keyword.padEnd(16)}\t${printValue(value)}\n`],
  );
  return `${title}\n${stated.join('')}`;
}

function printValue(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

/** A quote inside a string is written twice. */
const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;

function fileLines({ attributes, keys, networkEncrypt, text }: FileSpec, name?: string): Line[] {
  return [
    ['NAME', name === undefined ? undefined : quote(name)],
    ['ADDRESSING', attributes.addressing],
    ['PAGE_SIZE', attributes.pageSize],
    ['DENSITY', attributes.density],
    ['NETWORK_ENCRYPT', networkEncrypt],
    ['TRACK_CHANGES', attributes.trackChanges],
    ['ROLLBACK', attributes.rollback],
    ['RESILIENT', attributes.resilient],
    ['FULLRESILIENT', attributes.fullResilient],
    ['STATIC_RFA', attributes.staticRfa],
    ['STORED_GRFA', attributes.storedGrfa],
    ['ERASE_ON_DELETE', attributes.eraseOnDelete],
    ['SIZE_LIMIT', attributes.sizeLimit],
    ['RECORD_LIMIT', attributes.recordLimit],
    ['PORT_INT', printPlaces(attributes.portableIntegers)],
    ['TEXT_ALLOCATION', attributes.textAllocation],
    ['TEXT', text === '' ? undefined : quote(text)],
    ['KEYS', keys.length],
  ];
}

function printPlaces(places: FileAttributes['portableIntegers']): string | undefined {
  return places?.map(({ offset, length }) => `${offset + 1}:${length}`).join(',');
}

function recordLines({ record, attributes }: FileSpec): Line[] {
  return [
    ['SIZE', record.size],
    ['FORMAT', record.format],
    ['COMPRESS_DATA', attributes.compressData],
  ];
}

function keyLines(key: KeySpec, seed: number | undefined): Line[] {
  const list = (fact: (segment: SegmentSpec) => string | number): string =>
    key.segments.map(fact).join(':');
  const { nullKey } = key;
  return [
    ['START', list((segment) => segment.offset + 1)],
    ['LENGTH', list((segment) => segment.length)],
    ['TYPE', list((segment) => segment.type)],
    ['ORDER', list((segment) => segment.order)],
    ['NAME', quote(key.name)],
    ['DUPLICATES', key.dups !== 'none'],
    ['DUPLICATE_ORDER', key.dups === 'none' ? undefined : key.dups],
    ['MODIFIABLE', key.modifiable],
    ['NULL', nullKey?.kind],
    ['VALUE_NULL', nullKey?.value === undefined ? undefined : quote(nullKey.value)],
    ['DENSITY', key.density],
    ['SEED', seed],
  ];
}
