// Runs the official clients for Node against `mediasweep emulate`:
//
//	node clients.cjs MEDIASWEEP
//
// Every client of OSS and every client of MPS goes through the same steps, and is
// refused with a wrong secret and with a wrong key.
'use strict';
const assert = require('assert');
const { spawn } = require('child_process');
const Rpc = require('@alicloud/pop-core').RPCClient;
const Mts = require('@alicloud/mts20140618');
const OSS = require('ali-oss');

const program = spawn(process.argv[2], ['emulate', '--media', '20'], { stdio: ['ignore', 'pipe', 'inherit'] });

// emulator resolves to the variables that the emulator prints.
const emulator = new Promise((resolve, reject) => {
  let text = '';
  program.on('exit', (code) => reject(new Error(`the emulator exited with ${code}`)));
  program.stdout.on('data', (data) => {
    text += data;
    const env = Object.fromEntries([...text.matchAll(/^export (\w+)='(.*)'$/gm)].map((m) => [m[1], m[2]]));
    if (env.MEDIASWEEP_REGION) resolve(env);
  });
});

// The ways in which ali-oss names a bucket and signs. It sends the bucket's Host to an IP address.
const ossClients = {
  'ali-oss, bucket in the Host, V1': {},
  'ali-oss, bucket in the Host, V4': { authorizationV4: true },
  'ali-oss, bucket in the path, V1': { sldEnable: true },
  'ali-oss, bucket in the path, V4': { sldEnable: true, authorizationV4: true },
};

function ossClient(env, key, options, bucket) {
  const url = new URL(env.MEDIASWEEP_OSS_ENDPOINT);
  if (options.sldEnable) url.hostname = 'localhost';
  return new OSS({ region: `oss-${env.MEDIASWEEP_REGION}`, endpoint: url.origin, bucket, ...options,
    accessKeyId: key.id, accessKeySecret: key.secret, stsToken: key.token, refreshSTSToken: async () => ({ accessKeyId: key.id, accessKeySecret: key.secret, stsToken: key.token }) });
}

// The clients of MPS: each calls an operation with its parameters.
const mpsClients = {
  '@alicloud/mts20140618, ACS3': (env, key) => {
    const client = new Mts.default({ endpoint: new URL(env.MEDIASWEEP_MPS_ENDPOINT).host, protocol: 'http', regionId: env.MEDIASWEEP_REGION,
      accessKeyId: key.id, accessKeySecret: key.secret, securityToken: key.token });
    const lower = (name) => name[0].toLowerCase() + name.slice(1);
    return async (operation, parameters) => {
      const request = new Mts[`${operation}Request`](Object.fromEntries(Object.entries(parameters).map(([k, v]) => [k === 'FileURLs' ? 'fileURLs' : lower(k), v])));
      return (await client[lower(operation)](request)).body.toMap();
    };
  },
  ...Object.fromEntries(['GET', 'POST'].map((method) => [`@alicloud/pop-core, RPC signature 1.0, ${method}`, (env, key) => {
    const client = new Rpc({ endpoint: env.MEDIASWEEP_MPS_ENDPOINT, apiVersion: '2014-06-18', accessKeyId: key.id, accessKeySecret: key.secret, securityToken: key.token });
    return (operation, parameters) => client.request(operation, parameters, { method });
  }])),
};

async function refused(name, code, call) {
  await assert.rejects(call, (err) => { assert.strictEqual(err.code, code, `${name}: ${err}`); return true; });
}

const awkward = '发布会/a b+c%2F&d=e\'(1)*!~.mp4';

async function useOSS(name, client) {
  const films = client('media-in');
  const first = await films.list({ 'max-keys': 5 });
  const rest = await films.list({ 'max-keys': 1000, marker: first.nextMarker });
  const all = await films.listV2({ 'max-keys': 1000 });
  assert.deepStrictEqual([...first.objects, ...rest.objects].map((o) => o.name), all.objects.map((o) => o.name), name);
  assert.ok(first.isTruncated && all.objects.length >= 20, name);
  const page = await films.listV2({ 'max-keys': 5 });
  const next = await films.listV2({ 'max-keys': 5, 'continuation-token': page.nextContinuationToken });
  assert.strictEqual(next.objects[0].name, all.objects[5].name, name);

  const ops = client('ops');
  await ops.put(awkward, Buffer.from(name));
  assert.strictEqual((await ops.get(awkward)).content.toString(), name);
  assert.strictEqual((await ops.head(awkward)).res.headers['content-length'], String(name.length), name);
  await refused(name, 'FileAlreadyExists', () => ops.put(awkward, Buffer.from('x'), { headers: { 'x-oss-forbid-overwrite': 'true' } }));
  await ops.delete(awkward);
  await refused(name, 'NoSuchKey', () => ops.get(awkward));
  await ops.append('log', Buffer.from('one'));
  await ops.append('log', Buffer.from('two'), { position: 3 });
  assert.strictEqual((await ops.get('log')).content.toString(), 'onetwo', name);
  assert.strictEqual((await ops.getBucketVersioning('ops')).versionStatus, undefined, name);
  if (ops.options.sldEnable) {
    for (const url of [ops.signatureUrl('log'), await ops.signatureUrlV4('GET', 60, {}, 'log')]) {
      assert.strictEqual(await (await fetch(url)).text(), 'onetwo', url);
      assert.strictEqual((await fetch(url.replace('/log', '/other'))).status, 403, url);
    }
  }
  await ops.delete('log');
  return all.objects[0].name;
}

async function useMPS(name, call, films, key) {
  const url = (object) => `http://media-in.oss-cn-shanghai.aliyuncs.com/${encodeURIComponent(object)}`;
  const { MediaList: { Media: [known] } } = await call('QueryMediaListByURL', { FileURLs: url(key) });
  assert.ok(known.MediaId, name);

  const object = `clients/${name}.mp4`;
  await films.put(object, Buffer.from(name));
  const { Media: { MediaId: id } } = await call('AddMedia', { FileURL: url(object), Title: 'ü, "&+%2F"', Tags: 'a b,c' });
  const read = await call('QueryMediaList', { MediaIds: `${id},${known.MediaId}` });
  assert.strictEqual(read.MediaList.Media.find((m) => m.MediaId === id).Title, 'ü, "&+%2F"', name);
  await call('DeleteMedia', { MediaIds: id });
  const gone = await call('QueryMediaList', { MediaIds: id });
  assert.deepStrictEqual(gone.NonExistMediaIds.MediaId, [id], name);
}

async function main() {
  const env = await emulator;
  const key = { id: env.ALIBABA_CLOUD_ACCESS_KEY_ID, secret: env.ALIBABA_CLOUD_ACCESS_KEY_SECRET, token: env.ALIBABA_CLOUD_SECURITY_TOKEN };
  const wrongSecret = { ...key, secret: 'wrong' };
  const wrongKey = { ...key, id: 'STS.NOBODY' };
  let object;
  for (const [name, options] of Object.entries(ossClients)) {
    object = await useOSS(name, (bucket) => ossClient(env, key, options, bucket));
    await refused(name, 'SignatureDoesNotMatch', () => ossClient(env, wrongSecret, options, 'ops').list());
    await refused(name, 'InvalidAccessKeyId', () => ossClient(env, wrongKey, options, 'ops').list());
    await refused(name, 'InvalidSecurityToken', () => ossClient(env, { ...key, token: 'wrong' }, options, 'ops').list());
    console.log(`${name}: right, and wrong keys are refused`);
  }
  const films = ossClient(env, key, {}, 'media-in');
  for (const [name, client] of Object.entries(mpsClients)) {
    await useMPS(name, client(env, key), films, object);
    const query = ['QueryMediaList', { MediaIds: '0'.repeat(32) }];
    await refused(name, 'SignatureDoesNotMatch', () => client(env, wrongSecret)(...query));
    await refused(name, 'InvalidAccessKeyId.NotFound', () => client(env, wrongKey)(...query));
    await refused(name, 'InvalidSecurityToken.MismatchWithAccessKey', () => client(env, { ...key, token: 'wrong' })(...query));
    console.log(`${name}: right, and wrong keys are refused`);
  }
  const violations = await (await fetch(`${env.MEDIASWEEP_OSS_ENDPOINT}/_emulator/violations`)).json();
  assert.deepStrictEqual(violations, []);
}

main().catch((err) => { console.error(err); process.exitCode = 1; }).finally(() => {
  program.removeAllListeners('exit').kill();
  process.exit();
});
