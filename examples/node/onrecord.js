// Clients of an onrecord server, made from the contract at run time, and the reading of its errors.
import path from "node:path";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const here = path.dirname(fileURLToPath(import.meta.url));
const definition = loadSync(
  [
    "onrecord/v1/check_service.proto",
    "onrecord/v1/statement_service.proto",
    "onrecord/v1/server_info_service.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
    "grpc/health/v1/health.proto",
  ],
  {
    includeDirs: [path.join(here, "../../proto"), path.join(here, "../proto")],
    keepCase: true, // the names of the contract: max_evidence
    enums: String, // "VERDICT_SUPPORTED"
    longs: Number,
    defaults: true, // a field that was not sent has its default
    oneofs: true, // item.outcome is "result" or "error"
  },
);
const packages = grpc.loadPackageDefinition(definition);

/** Clients of a server's services; close() ends them. token: when the server has a --token-file. */
export function connect(target, { token } = {}) {
  const options = {
    "grpc.keepalive_time_ms": 60_000,
    "grpc.max_receive_message_length": -1, // the answer to a large batch has more than the default 4 MiB
    interceptors: token ? [bearer(token)] : [],
  };
  const { CheckService, StatementService, ServerInfoService } = packages.onrecord.v1;
  const { Health } = packages.grpc.health.v1;
  const services = { checks: CheckService, statements: StatementService, infos: ServerInfoService, health: Health };
  const clients = Object.fromEntries(
    Object.entries(services).map(([name, Service]) => [
      name,
      new Service(target, grpc.credentials.createInsecure(), options),
    ]),
  );
  const close = () => Object.values(clients).forEach((client) => client.close());
  return { ...clients, close };
}

function bearer(token) {
  return (options, next) =>
    new grpc.InterceptingCall(next(options), {
      start(metadata, listener, proceed) {
        metadata.set("authorization", `Bearer ${token}`);
        proceed(metadata, listener);
      },
    });
}

/** Calls a unary method. seconds: how long to wait for the answer. */
export function call(client, method, request, { seconds = 30 } = {}) {
  const deadline = new Date(Date.now() + seconds * 1000);
  return new Promise((resolve, reject) =>
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer))),
  );
}

/** Puts statements on the record, 500 a message, as fast as the server takes them. */
export async function importStatements(client, parent, statements) {
  let stream;
  const answer = new Promise((resolve, reject) => {
    stream = client.ImportStatements((error, summary) => (error ? reject(error) : resolve(summary)));
  });
  for (let i = 0; i < statements.length; i += 500) {
    const room = stream.write({ parent, statements: statements.slice(i, i + 500) });
    if (!room) await Promise.race([new Promise((go) => stream.once("drain", go)), answer]);
  }
  stream.end();
  return answer;
}

/** Checks any number of claims; yields one answer a claim, in their order. */
export async function* checkStream(client, parent, claims) {
  const stream = client.StreamCheckClaims();
  const sending = (async () => {
    for await (const claim of claims) {
      if (!stream.write({ parent, claim })) await new Promise((go) => stream.once("drain", go));
    }
    stream.end();
  })();
  sending.catch((error) => stream.destroy(error));
  yield* stream;
}

/** What an error of a call, or of one item of a batch, says: { code, message, reason, fields, retrySeconds }. */
export function explain(error) {
  const status = error instanceof Error ? statusOf(error) : error;
  const details = Object.fromEntries(status.details.map(unpack));
  const delay = details.RetryInfo?.retry_delay;
  return {
    code: grpc.status[status.code],
    message: status.message,
    reason: details.ErrorInfo?.reason ?? "",
    fields: (details.BadRequest?.field_violations ?? []).map(({ field, reason }) => ({ field, reason })),
    retrySeconds: delay ? Number(delay.seconds) + delay.nanos / 1e9 : null,
  };
}

function statusOf(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  // what gRPC says by itself, a deadline or a lost connection, has no details
  return packed
    ? definition["google.rpc.Status"].deserialize(packed)
    : { code: error.code, message: error.details ?? error.message, details: [] };
}

function unpack({ type_url, value }) {
  const name = type_url.split("/").pop();
  return [name.split(".").pop(), definition[name]?.deserialize(value)];
}
