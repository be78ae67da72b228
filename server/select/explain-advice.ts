// What would spare a query reading a whole file, in words. Called by the planner for `explain`; the same
// words go into the error of a query that used up its budget. Names fields and keys, never values.

import type { FileSpec, KeySpec, SegmentSpec } from '../../shared/record/file-spec.js';
import type { BoundCondition, BoundExpression, BoundOperand } from '../../shared/select/bound.js';

/** Keys named at most; files may have 255. */
const KEYS_NAMED_MAX = 4;
/** Fields named at most. */
const FIELDS_NAMED_MAX = 3;

/** What would narrow the query; undefined when it asks for everything. */
export function adviseKey(spec: FileSpec, where: BoundExpression): string | undefined {
  if (where.op === 'constant') return undefined;
  const conditions = conditionsOf(where);
  const wanted = namesOf(conditions.filter(canUseKey));
  const begins = beginningsOf(spec, conditions);
  const onKey = begins === '' ? '' : `a condition on ${begins}`;
  if (wanted.length === 0) {
    const why = 'only =, in, <, <=, >, >=, between, starts and like with a beginning can use a key';
    return onKey === '' ? why : `${why}: ${onKey} would narrow this`;
  }
  const hindrance = hindranceOf(spec, where, conditions);
  if (hindrance !== undefined) return hindrance;
  const fields = listOf(wanted, 'or');
  const aKey = wanted.length === 1 ? 'a key on it' : 'a key on one of them';
  const ways = onKey === '' ? aKey : `${aKey}, or ${onKey},`;
  return `no key begins with ${fields}: ${ways} would narrow this`;
}

/** Some key does begin with a field of the condition, but cannot be used: why. */
function hindranceOf(
  spec: FileSpec,
  where: BoundExpression,
  conditions: readonly BoundCondition[],
): string | undefined {
  for (const condition of conditions) {
    const { operand } = condition;
    const key = spec.keys.find((each) => isOver(operand, each.segments[0]));
    if (key === undefined || !canUseKey(condition)) continue;
    const hindered = `key ${key.name} begins with ${operand.text}, but`;
    if (where.op === 'or') {
      const sides = 'each side of an `or` must ask for a field it begins with';
      return `${hindered} ${sides}: ask in several queries`;
    }
    if ('nocase' in condition && condition.nocase) {
      return `${hindered} it minds case: compare without nocase, or make a nocase key`;
    }
    if (key.nullKey !== undefined) {
      const leaving = 'it leaves out records with its null value, which may match';
      return `${hindered} ${leaving}: ask for another value, or name the key with using to see what it has`;
    }
    return `${hindered} not for this comparison: use \`=\`, or a key of the type of the field`;
  }
  return undefined;
}

function conditionsOf(where: BoundExpression): readonly BoundCondition[] {
  switch (where.op) {
    case 'constant':
      return [];
    case 'and':
    case 'or':
      return where.terms.flatMap(conditionsOf);
    default:
      return [where];
  }
}

function canUseKey(condition: BoundCondition): boolean {
  if (condition.operand.type === 'boolean') return false;
  switch (condition.op) {
    case 'compare':
      return condition.comparison !== '<>';
    case 'in':
    case 'starts':
      return !condition.negated;
    case 'like':
      return !condition.negated && typeof condition.pattern[0] === 'object';
    default:
      return false;
  }
}

/** Fields compared with `=` first: they narrow most. */
function namesOf(conditions: readonly BoundCondition[]): string[] {
  const isEquality = (condition: BoundCondition): boolean =>
    condition.op === 'in' || (condition.op === 'compare' && condition.comparison === '=');
  const sorted = [
    ...conditions.filter(isEquality),
    ...conditions.filter((condition) => !isEquality(condition)),
  ];
  return [...new Set(sorted.map(({ operand }) => operand.text))].slice(0, FIELDS_NAMED_MAX);
}

/** Fields that keys begin with and the condition does not mention. */
function beginningsOf(spec: FileSpec, conditions: readonly BoundCondition[]): string {
  const names = spec.keys
    .filter(({ segments: [first] }) => !conditions.some(({ operand }) => isOver(operand, first)))
    .map((key) => nameOfFirst(spec, key));
  return listOf([...new Set(names)].slice(0, KEYS_NAMED_MAX), 'or');
}

const isOver = (operand: BoundOperand, segment: SegmentSpec | undefined): boolean =>
  operand.offset === segment?.offset && operand.length === segment.length;

function nameOfFirst(spec: FileSpec, { segments: [first] }: KeySpec): string {
  const { offset = 0, length = 0 } = first ?? {};
  const field = spec.fields.find(
    (each) => each.offset === offset && each.length === length && each.dimension === undefined,
  );
  return field?.name ?? `rec(${offset + 1},${length})`;
}

function listOf(names: readonly string[], word: 'or'): string {
  const last = names[names.length - 1] ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} ${word} ${last}`;
}
