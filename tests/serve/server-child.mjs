// A server in a process of its own: node server-child.mjs DIST_OF_SERVE OPTIONS_AS_JSON. Sends its address to the parent, logs to
// stdout; what comes on stderr is nothing that it meant to say.
const [dist, options] = process.argv.slice(2);
const { createServer } = await import(dist);
const server = await createServer({ port: 0, log: process.stdout, ...JSON.parse(options) });
process.send(server.url);
process.channel.unref();
process.once('SIGTERM', async () => {
  const cut = await server.stop();
  process.exit(cut === 0 ? 0 : 1);
});
