// Puts statements on the record and checks claims against it: node main.js [HOST:PORT]
import { call, checkStream, connect, explain, importStatements } from "./onrecord.js";

const target = process.argv[2] ?? "127.0.0.1:50051";
const parent = `collections/node-${process.pid}`;
const { checks, statements, health, close } = connect(target, { token: process.env.ONRECORD_TOKEN });

try {
  console.log("health:", (await call(health, "Check", {})).status);

  const imported = await importStatements(statements, parent, [
    { text: "Russia opposes interference in China's affairs.", speaker: { name: "Vladimir Putin", aliases: ["Putin"] } },
    { text: "The talks in Geneva begin on Monday.", speaker: { name: "The ministry" } },
    { text: "" },
  ]);
  console.log(`import: ${imported.created_count} stored, ${imported.failed_count} failed`);
  for (const { index, status } of imported.failures) console.log(`  statement ${index}: ${explain(status).message}`);

  const claim = { text: "Putin said that Russia opposes interference in China's affairs." };
  const { result } = await call(checks, "CheckClaim", { parent, claim, options: { max_evidence: 1 } });
  console.log("check:", result.verdict, result.confidence.toFixed(2), "-", result.evidence[0].statement.speaker.name);

  const claims = [claim, { text: "" }, { text: "The talks in Geneva begin on Monday." }];
  const { items } = await call(checks, "BatchCheckClaims", { parent, claims });
  console.log("batch:", items.map(outcome).join(", "));

  const streamed = [];
  for await (const answer of checkStream(checks, parent, claims)) streamed.push(`${answer.index} ${outcome(answer)}`);
  console.log("stream:", streamed.join(", "));

  await call(checks, "CheckClaim", { parent, claim: { text: "" } }).catch((error) => {
    const { code, reason, fields } = explain(error);
    console.log("error:", code, reason, JSON.stringify(fields));
  });
} finally {
  close();
}

function outcome(item) {
  return item.outcome === "result" ? item.result.verdict : explain(item.error).reason;
}
