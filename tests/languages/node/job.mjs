// What a test asks of the example's client beside main.js: node job.mjs HOST:PORT deadline|overload
import { randomUUID } from "node:crypto";

import { call, connect, explain } from "./onrecord.js";

const [target, what] = process.argv.slice(2);
const { checks, close } = connect(target, { token: process.env.ONRECORD_TOKEN });
// never the same, since what was scored before is remembered
const pairs = (count) => ({
  pairs: Array.from({ length: count }, () => ({ premise: `Statement ${randomUUID()}`, hypothesis: "A claim." })),
});
const jobs = {
  deadline: () => call(checks, "ScorePairs", pairs(1), { seconds: 0.5 }),
  overload: () => call(checks, "ScorePairs", pairs(20)),
};

await jobs[what]().then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => console.log(JSON.stringify(explain(error))),
);
close();
