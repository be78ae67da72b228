// Commands that take several files go through all of them: one that fails does not keep the others waiting.

import type { Tool } from './tool.js';

/** Runs `step` for each file and prints the answers; a failed file is reported and has none. */
export async function eachFile<T extends object>(
  tool: Tool,
  names: readonly string[],
  step: (name: string) => Promise<T>,
): Promise<void> {
  const answers: ({ file: string } & T)[] = [];
  for (const name of names) {
    try {
      answers.push({ file: name, ...(await step(name)) });
    } catch (error) {
      tool.reportError(error);
    }
  }
  tool.printJson(answers);
}
