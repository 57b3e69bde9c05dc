// A script for k6: sets a gauge and counts, without any request.
import { sleep } from "k6";
import { Counter, Gauge } from "k6/metrics";

const queue = new Gauge("queue_length");
const bought = new Counter("bought");

export default function () {
  for (const level of JSON.parse(__ENV.LEVELS)) {
    queue.add(level);
    bought.add(level);
    sleep(Number(__ENV.PAUSE_S));
  }
}
