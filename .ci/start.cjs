// Starts what a deployment would start, as its runtime of Function Compute would:
//
//	node start.cjs RENDERED.json FOLDER
//
// RENDERED.json is what Serverless Devs made of an s.yaml, FOLDER what was built. The
// program has to answer one HTTP request and to refuse one event.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { spawn } = require('child_process');

const [rendered, folder] = process.argv.slice(2);
const [{ props }] = Object.values(JSON.parse(fs.readFileSync(rendered, 'utf8')).resources);
const refused = '{"hello":1}';
let program;

function start(args, env) {
  const local = (text) => text.replace(/^\/code\//, '');
  const environment = Object.entries(props.environmentVariables).map(([name, value]) => [name, local(value)]);
  program = spawn(path.resolve(folder, local(args[0])), args.slice(1), {
    cwd: folder, stdio: 'inherit',
    env: { HOME: '/nowhere', FC_FUNCTION_NAME: props.functionName, FC_REGION: props.region, ...Object.fromEntries(environment), ...env },
  });
  program.on('exit', (code) => end(`the program exited with ${code}`));
}

function end(problem) {
  if (program) program.removeAllListeners('exit').kill('SIGKILL');
  console.log(`${props.functionName} on ${props.runtime}: ${problem || 'starts, answers and refuses'}`);
  process.exit(problem ? 1 : 0);
}

// free calls back with a port that nobody listens on.
function free(then) {
  const s = http.createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => then(port)); });
}

// custom connects to the port until the program listens, and sends both requests.
function custom() {
  free((port) => {
    const { command, args = [] } = props.customRuntimeConfig;
    start([...command, ...args], { FC_SERVER_PORT: String(port) });
    const send = (method, url, control, body, then) => http.request({ port, host: '127.0.0.1', method, path: url,
      headers: { 'x-fc-control-path': control, 'x-fc-request-id': 'ci-1' } }, (r) => { r.resume(); then(r); })
      .on('error', () => setTimeout(send, 100, method, url, control, body, then)).end(body);
    send('GET', '/healthz', '/http-invoke', '', (health) => {
      if (health.statusCode !== 200) return end(`GET /healthz: ${health.statusCode}`);
      send('POST', '/invoke', '/invoke', refused, (r) => end(r.headers['x-fc-status'] !== '404' && `a bad event: x-fc-status ${r.headers['x-fc-status']}`));
    });
  });
}

// go1 is the runtime's API: it hands out two calls and takes their answers.
function go1() {
  const health = JSON.stringify({ version: 'v1', rawPath: '/healthz', body: '', isBase64Encoded: true, headers: {}, queryParameters: {},
    requestContext: { http: { method: 'GET', path: '/healthz' }, requestId: 'ci-1' } });
  const calls = [health, refused];
  const api = http.createServer((request, response) => {
    if (request.method === 'GET') {
      if (!calls.length) return; // a long poll
      response.writeHead(200, { 'x-fc-request-id': `ci-${calls.length}`, 'x-fc-function-deadline': Date.now() + 60000, 'x-fc-function-timeout': 60 });
      response.end(calls.shift());
      return;
    }
    let body = '';
    request.on('data', (data) => { body += data; }).on('end', () => {
      response.end();
      if (request.url.endsWith('/ci-2/response')) {
        if (JSON.parse(body).statusCode !== 200) end(`GET /healthz: ${body}`);
      } else {
        end(!request.url.endsWith('/ci-1/error') && `${request.url}: ${body}`);
      }
    });
  }).listen(0, '127.0.0.1', () => start([props.handler], { FC_RUNTIME_API: `127.0.0.1:${api.address().port}` }));
}

setTimeout(end, 30000, 'no answer in 30 s').unref();
if (props.runtime === 'go1') go1(); else custom();
