// The program of the thread that helps scans, started by scan-helper.ts and by nobody else: answers one question after
// another. It has files open only while it looks through them, writes nothing but boards, and loads nothing of LMDB.

import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { helperPriority } from '../../shared/base/limits.js';
import { look } from './looking.js';
import { questionFrom } from './question.js';

// Whoever is to be served comes before what is only looked through ahead. On Linux that is of a thread; elsewhere it
// would be of the whole server.
if (process.platform === 'linux') setPriority(helperPriority);
parentPort?.on('message', (value) => look(questionFrom(value)));
