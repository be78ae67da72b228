// A result that may be there already. LMDB answers in the same turn, other stores later; the hot
// path awaits only when it must, because each needless promise costs as much as the read itself.

export type Answer<T> = T | Promise<T>;

/** Narrowing question: must this answer be awaited? */
export const isLater = <T>(answer: Answer<T>): answer is Promise<T> => answer instanceof Promise;

/** Goes on with an answer: at once when it is there, else when it comes. */
export const andThen = <T, U>(answer: Answer<T>, next: (value: T) => Answer<U>): Answer<U> =>
  isLater(answer) ? answer.then(next) : next(answer);
