// The table of requests that were sent and are not answered.

import t from 'tap';
import { type Sent, SentRequests } from '../../../client/connection/sent-requests.js';
import { requestsInFlightMax } from '../../../shared/base/limits.js';

const fill = (table: SentRequests<Sent>, count: number): Sent[] =>
  Array.from({ length: count }, () => {
    const request: Sent = { id: 0 };
    table.add(request);
    return request;
  });

t.test('gives each request an id of its own, from 1 on, and finds it by that', async (t) => {
  const table = new SentRequests<Sent>();
  const requests = fill(table, requestsInFlightMax);
  t.strictSame(
    requests.map(({ id }) => id),
    Array.from({ length: requestsInFlightMax }, (_, index) => index + 1),
  );
  t.equal(table.size, requestsInFlightMax);
  t.ok(requests.every((request) => table.get(request.id) === request));
  t.equal(table.get(0), undefined, 'zero is nobody');
  t.equal(table.get(requestsInFlightMax + 1), undefined, 'an id not given yet');
});

t.test('an id that was answered finds nothing, also once its place has another', async (t) => {
  const table = new SentRequests<Sent>();
  const [first] = fill(table, 1);
  if (first === undefined) throw new Error('nothing was added');
  const { id } = first;
  table.delete(first);
  t.equal(first.id, 0);
  t.equal(table.size, 0);
  for (let other = 0; other < 1000; other++) {
    for (const request of fill(table, 1)) table.delete(request);
    t.equal(table.get(id), undefined);
  }
});

t.test('passes over the places of requests that stay', async (t) => {
  const table = new SentRequests<Sent>();
  const staying = fill(table, 20);
  const seen = new Set<number>();
  for (let turn = 0; turn < 500; turn++) {
    const [request] = fill(table, 1);
    if (request === undefined) throw new Error('nothing was added');
    seen.add(request.id);
    table.delete(request);
  }
  t.equal(seen.size, 500, 'no id comes twice');
  t.ok(staying.every((request) => table.get(request.id) === request));
  t.strictSame(table.all(), staying, 'the oldest first');
});
