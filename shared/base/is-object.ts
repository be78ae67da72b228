// The first question about any value that came from a file or from somebody else: does it have named members?

/** An object that is no list. Its members may be anything. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
