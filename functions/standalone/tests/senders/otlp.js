// A program with the OpenTelemetry SDK of JavaScript. Each line of its input is a level, which it records and exports at
// once; each line of its output is a JSON object with the exported points, and whether the export succeeded.
//
// otlp.js <folder with node_modules> <endpoint> <proto or http> <CUMULATIVE or DELTA>

const { createRequire } = require("module");
const readline = require("readline");

const [folder, url, encoding, temporality] = process.argv.slice(2);
const load = createRequire(`${folder}/package.json`);
const { MeterProvider, PeriodicExportingMetricReader } = load("@opentelemetry/sdk-metrics");
const { resourceFromAttributes } = load("@opentelemetry/resources");
const { OTLPMetricExporter, AggregationTemporalityPreference } = {
  ...load("@opentelemetry/exporter-metrics-otlp-http"),
  ...load(`@opentelemetry/exporter-metrics-otlp-${encoding}`),
};

const exporter = new OTLPMetricExporter({
  url,
  temporalityPreference: AggregationTemporalityPreference[temporality],
  timeoutMillis: 40000,
});
const send = exporter.export.bind(exporter);
exporter.export = (metrics, done) =>
  send(metrics, (result) => {
    const points = {};
    for (const { metrics: ofScope } of metrics.scopeMetrics)
      for (const { descriptor, dataPoints } of ofScope)
        points[descriptor.name] = dataPoints.map(({ startTime, endTime, value }) => ({ startTime, endTime, value }));
    console.log(JSON.stringify({ code: result.code, error: result.error?.message, points }));
    done(result);
  });

const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30, exportTimeoutMillis: 60000 });
const provider = new MeterProvider({ readers: [reader], resource: resourceFromAttributes({ "service.name": "checkout" }) });
const meter = provider.getMeter("tests");
const [queue, requests] = [meter.createGauge("queue.length"), meter.createCounter("requests")];

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    queue.record(Number(line));
    requests.add(Number(line), { route: "/buy" });
    // A delta needs a time after its start, in milliseconds.
    await new Promise((done) => setTimeout(done, 10));
    await provider.forceFlush().catch(() => {});
  }
  process.exit(0);
})();
