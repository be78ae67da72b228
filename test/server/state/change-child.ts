// A process of its own that counts in a state directory: read, add one, write, so many times. For tests of
// changes by several processes at once.

import { StateDirectory } from '../../../server/state/state-directory.js';

const [root = '', times = '0'] = process.argv.slice(2);
const state = new StateDirectory(root);
for (let count = 0; count < Number(times); count++) {
  await state.change(async () => {
    const before = state.readJson('count.json', (value) => Number(value)) ?? 0;
    await new Promise((resolve) => setImmediate(resolve));
    state.writeJson('count.json', before + 1);
  });
}
