// graphile-worker on a private PostgreSQL: from the call that asks for a job to the first line of the job.
//
//   node measure.mjs <database URL> <jobs one after another> <jobs at once>
//
// Prints one JSON object: `latencies_ms` (one a job) and `jobs_per_second`. The job does nothing, and both ends share one process and
// so one clock; PostgreSQL is as far away as it is for the hub.
import { makeWorkerUtils, run, Logger } from "graphile-worker";

const [connectionString, single, many] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const quiet = new Logger(() => () => {});
const waiting = new Map();
const taskList = {
  step: async ({ number }) => {
    waiting.get(number)(performance.now());
    waiting.delete(number);
  },
};
const started = (number) => new Promise((resolve) => waiting.set(number, resolve));

const utils = await makeWorkerUtils({ connectionString, logger: quiet });
await utils.migrate();
const runner = await run({ connectionString, taskList, concurrency: 4, maxPoolSize: 10, pollInterval: 2000, noHandleSignals: true, logger: quiet });

const latencies = [];
for (let number = 0; number < single; number++) {
  const begun = performance.now();
  const first = started(number);
  await utils.addJob("step", { number });
  latencies.push((await first) - begun);
  await new Promise((resolve) => setTimeout(resolve, 5));
}

const begun = performance.now();
const all = [];
for (let number = single; number < single + many; number++) {
  all.push(started(number));
}
let next = single;
const add = async () => {
  while (next < single + many) await utils.addJob("step", { number: next++ });
};
await Promise.all([...Array(8)].map(add));
await Promise.all(all);
const seconds = (performance.now() - begun) / 1000;

await runner.stop();
await utils.release();
console.log(JSON.stringify({ latencies_ms: latencies, jobs_per_second: many / seconds }));
