import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { StaticFile } from '../static-files.js';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>nearmiss: the service's interface</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" href="favicon-32x32.png">
</head>
<body>
<div id="reference"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="reference.js"></script>
</body>
</html>
`;

const SCRIPT = `SwaggerUIBundle({
  url: '../openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  validatorUrl: null,
});
`;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/openapi.json`, and a reader for it at `/docs/`. */
export function referenceRoutes(app: FastifyInstance, document: () => object): void {
  const route = { config: { nearmiss: { scope: 'open' } }, schema: { hide: true } } as const;
  const package_ = pathToFileURL(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  let text: string | undefined;
  app.get('/openapi.json', route, (_, reply) => {
    text ??= JSON.stringify(document());
    return reply.type('application/json; charset=utf-8').send(text);
  });
  app.get('/docs', route, (_, reply) => reply.code(308).header('location', 'docs/').send());
  const files = new Map<string, StaticFile>([
    ['', new StaticFile('index.html', PAGE)],
    ['reference.js', new StaticFile('reference.js', SCRIPT)],
  ]);
  for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']) {
    files.set(name, new StaticFile(name, new URL(name, package_)));
  }
  for (const [name, file] of files) {
    app.get(`/docs/${name}`, route, (request, reply) => file.answer(request, reply, POLICY));
  }
}
