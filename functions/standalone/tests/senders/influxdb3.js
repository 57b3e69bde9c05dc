// The client of InfluxDB 3: writes each line of its input by itself, and answers `ok` or an error.
//
// influxdb3.js <folder with node_modules> <address>

const { createRequire } = require("module");
const readline = require("readline");

const [folder, host] = process.argv.slice(2);
const { InfluxDBClient } = createRequire(`${folder}/package.json`)("@influxdata/influxdb3-client");

(async () => {
  const client = new InfluxDBClient({ host, token: "any", database: "any" });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    // Without waiting for durability: the only way in which this client calls the route of version 3.
    const written = client.write(line, undefined, undefined, { precision: "ms", noSync: true });
    console.log(await written.then(() => "ok", (error) => `${error}`.replaceAll("\n", " ")));
  }
  process.exit(0);
})();
