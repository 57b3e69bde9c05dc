// The scenarios of this folder for k6: k6 run -e URL=http://127.0.0.1:8080 -e SCENARIO=storm evaluator/load/k6.js
//
// `evaluator load` counts latency from the due time of a request; k6 drops the requests that it cannot send
// (`dropped_iterations`), so compare both. API_KEY_FILE=path sends a key.
import http from "k6/http";
import { check, sleep } from "k6";
import exec from "k6/execution";

const { URL = "http://127.0.0.1:8080", SCENARIO = "steady", SECONDS, API_KEY_FILE } = __ENV;

// The scenario files of the same names: series, samples a request, duration, and rate or clients.
const SCENARIOS = {
  steady: { series: 1000, batch: 1, seconds: 300, rate: 500 },
  brisk: { series: 1000, batch: 1, seconds: 60, rate: 2000 },
  storm: { series: 1000, batch: 10, seconds: 20, clients: [[0, 1000], [1000, 1000]], every_s: 1 },
  wave: { series: 1000, batch: 1, seconds: 120, clients: [[0, 500]], every_s: 0.2 },
  soak: { series: 10000, batch: 10, seconds: 14400, rate: 200 },
  single: { series: 1, batch: 1, seconds: 20, clients: [[16, 16]], untimed: true },
  hot: { series: 1, batch: 10, seconds: 20, clients: [[64, 64]], untimed: true },
};
const it = SCENARIOS[SCENARIO];
if (!it) throw new Error(`SCENARIO=${SCENARIO}: expected one of ${Object.keys(SCENARIOS)}`);
const seconds = Number(SECONDS || it.seconds);

const arrivals = () => ({
  executor: "constant-arrival-rate", rate: it.rate, duration: `${seconds}s`, preAllocatedVUs: 100, maxVUs: 1000,
});
const clients = () => ({
  executor: "ramping-vus", startVUs: it.clients[0][0], gracefulStop: "10s",
  stages: it.clients.map(([, to]) => ({ target: to, duration: `${seconds / it.clients.length}s` })),
});
export const options = {
  scenarios: { load: it.rate ? arrivals() : clients() },
  thresholds: { checks: ["rate==1"], http_req_duration: ["p(99)<1000"] },
};

const headers = { "content-type": "application/json" };
if (API_KEY_FILE) headers.authorization = `Bearer ${open(API_KEY_FILE).split("\n")[0].trim()}`;

export default function () {
  const first = exec.scenario.iterationInTest * it.batch, now = Date.now();
  const samples = Array.from({ length: it.batch }, (_, i) => ({
    source: "load", metric: `s${String((first + i) % it.series).padStart(7, "0")}`, value: 400 + 100 * Math.random(),
    ...(it.untimed ? {} : { timestamp: now }),
  }));
  const response = http.post(`${URL}/ingest`, JSON.stringify(samples), { headers });
  check(response, { "status is 200": ({ status }) => status === 200 });
  if (it.every_s) sleepUntil(now + 1000 * it.every_s);
}

const sleepUntil = (at) => sleep(Math.max(0, at - Date.now()) / 1000);
