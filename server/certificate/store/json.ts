// Questions about values that came from JSON files of the state directory.

/** The member as text. Throws Error with its name. */
export function textOf(object: Readonly<Record<string, unknown>>, name: string): string {
  const value = object[name];
  if (typeof value === 'string') return value;
  throw new Error(`${name} is no text`);
}

/** The member as a list, empty when it is not there. Throws Error with its name. */
export function listOf(object: Readonly<Record<string, unknown>>, name: string): unknown[] {
  const value = object[name] ?? [];
  if (Array.isArray(value)) return value;
  throw new Error(`${name} is no list`);
}
