// The data set of the demo: every assigned code point of Unicode as this Node knows it (surrogates and
// private use left out), with its general category, its script and the letter of the other case.
// Definition and rows; nothing here knows a server.

import { alpha, binary, decimal, defineFile, type RecordOf } from '../client/index.js';

export const unicodeFile = defineFile({
  fields: {
    codePoint: decimal(7),
    /** As `U+0041` writes it. */
    hex: alpha(6),
    /** UTF-8, zero-padded. */
    character: binary(4),
    /** General category: Lu, Ll, Nd … */
    category: alpha(2),
    /** ISO 15924 code: Latn, Grek … */
    script: alpha(4),
    scriptName: alpha(40),
    /** Code point of the letter in the other case; zero where there is none. */
    counterpart: decimal(7),
  },
  keys: {
    codePoint: { parts: ['codePoint'] },
    category: { parts: ['category'], dups: 'fifo' },
    script: { parts: ['script', 'category'], dups: 'fifo' },
    counterpart: {
      parts: ['counterpart'],
      dups: 'fifo',
      modifiable: true,
      nullKey: { kind: 'replicate' },
    },
  },
  networkEncrypt: true,
  text: 'Unicode character database, as Node knows it',
});

export type UnicodeRecord = RecordOf<typeof unicodeFile>;

/** General categories that are characters: all but unassigned, surrogate and private use. */
const CATEGORIES =
  'Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf'.split(' ');

/** ISO 15924 codes of the scripts of Unicode 17; a Node that does not know one leaves it out. */
const SCRIPTS =
  `Latn Zyyy Zinh Hani Hang Egyp Tang Cans Kits Yiii Xsux Sgnw Hluw Bamu Lina Arab Ethi
  Grek Cyrl Kana Hira Tibt Beng Deva Mymr Khmr Mong Thai Hebr Armn Geor Cher Copt Brai Gujr Guru Taml
  Telu Knda Mlym Sinh Laoo Thaa Syrc Nkoo Olck Vaii Lisu Bopo Adlm Aghb Ahom Armi Avst Bali Bass Batk
  Berf Bhks Brah Bugi Buhd Cakm Cari Cham Chrs Cpmn Cprt Diak Dogr Dsrt Dupl Elba Elym Gara Glag Gong
  Gonm Goth Gran Gukh Hano Hatr Hmng Hmnp Hung Ital Java Kali Kawi Khar Khoj Krai Kthi Lana Lepc Limb
  Linb Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Modi Mroo Mtei Mult Nagm Nand Narb Nbat
  Newa Nshu Ogam Onao Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli Phlp Phnx Plrd Prti Rjng Rohg
  Runr Samr Sarb Saur Shaw Shrd Sidd Sidt Sind Sogd Sogo Sora Soyo Sund Sunu Sylo Tagb Takr Tale Talu
  Tavt Tayo Tfng Tglg Tirh Tnsa Todr Tols Toto Tutg Ugar Vith Wara Wcho Xpeo Yezi Zanb`.split(
    /\s+/,
  );

interface NamedPattern {
  readonly code: string;
  readonly pattern: RegExp;
}

/** Patterns of a Unicode property; values this Node does not know are left out. */
function patternsOf(property: string, codes: readonly string[]): NamedPattern[] {
  return codes.flatMap((code) => {
    try {
      return [{ code, pattern: new RegExp(`\\p{${property}=${code}}`, 'u') }];
    } catch {
      return []; // a script that is younger than this Node
    }
  });
}

/** Finds the value of a property; neighbours mostly share it, so the last one found is tried first. */
function classifier(patterns: readonly NamedPattern[]): (character: string) => string | undefined {
  let last: NamedPattern | undefined;
  return (character) => {
    if (last?.pattern.test(character) !== true) {
      last = patterns.find(({ pattern }) => pattern.test(character));
    }
    return last?.code;
  };
}

/** All assigned code points in order. */
export function* unicodeRecords(): Generator<UnicodeRecord, void, void> {
  const categoryOf = classifier(patternsOf('General_Category', CATEGORIES));
  const scriptOf = classifier(patternsOf('Script', SCRIPTS));
  const names = new Intl.DisplayNames('en', { type: 'script' });
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const character = String.fromCodePoint(codePoint);
    const category = categoryOf(character);
    if (category === undefined) continue;
    const script = scriptOf(character) ?? 'Zzzz';
    yield {
      codePoint,
      hex: codePoint.toString(16).toUpperCase().padStart(4, '0'),
      character: Buffer.from(
        Buffer.concat([Buffer.from(character), Buffer.alloc(4)]).subarray(0, 4),
      ),
      category,
      script,
      scriptName: (names.of(script) ?? script).replaceAll('’', "'"),
      counterpart: counterpartOf(character, codePoint),
    };
  }
}

/** The single code point that is this one in the other case, else 0. */
function counterpartOf(character: string, codePoint: number): number {
  for (const other of [character.toUpperCase(), character.toLowerCase()]) {
    const [only, ...more] = other;
    const found = only?.codePointAt(0) ?? codePoint;
    if (more.length === 0 && found !== codePoint) return found;
  }
  return 0;
}
