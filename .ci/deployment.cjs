// Checks what Serverless Devs rendered of an s.yaml:
//
//	node deployment.cjs rules  RENDERED.json...   the rules that no schema states
//	node deployment.cjs SCHEMA RENDERED.json...   the props against fc3's schema
//
// In that schema triggerConfig may be any object (one branch of its anyOf is
// a bare one), so each trigger is held against the definition of its own type.
// A check that accepts everything proves nothing: the deployment is broken in
// known ways too, and every one of them has to be refused.
'use strict';
const fs = require('fs');
const Ajv = require('ajv');

const definition = { timer: 'ITimerTriggerConfig', oss: 'IOssTriggerConfig', http: 'IHttpTriggerConfig' };

// againstSchema returns a function that lists what the schema has against props.
function againstSchema(file) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema(JSON.parse(fs.readFileSync(file, 'utf8')), 'fc3');
  const errors = (ref, value, at) => {
    const validate = ajv.getSchema(ref);
    return validate(value) ? [] : validate.errors.map((e) => `${at}${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
  };
  return (props) => [
    ...errors('fc3', props, 'props'),
    ...props.triggers.flatMap((t) =>
      definition[t.triggerType]
        ? errors(`fc3#/definitions/${definition[t.triggerType]}`, t.triggerConfig, t.triggerName)
        : [`${t.triggerName}: no definition is known for type ${t.triggerType}`]),
  ];
}

// againstRules lists what the platform's documents and our own function have
// against props.
function againstRules(props) {
  const wrong = [];
  const want = (holds, message) => holds || wrong.push(message);
  const custom = props.runtime.startsWith('custom');
  const environment = props.environmentVariables;

  want(!JSON.stringify(props).includes('${'), 'a variable was left unresolved');
  want(custom ? props.customRuntimeConfig.command[0].startsWith('/code/') : props.handler, 'no program is started');
  want(custom || !('instanceConcurrency' in props), 'built-in runtimes take one call at a time: no instanceConcurrency');
  want(props.concurrencyConfig.reservedConcurrency === 1, 'one process must own the quota: reservedConcurrency 1');
  const gigabytes = props.memorySize / 1024;
  want(gigabytes >= props.cpu && gigabytes <= 4 * props.cpu, 'FC wants 1 to 4 GB of memory a core');
  const age = props.asyncInvokeConfig.maxAsyncEventAgeInSeconds;
  want(age >= 1 && age <= 604800, 'maxAsyncEventAgeInSeconds is documented for 1 to 604800, whatever the schema says');
  want(environment.MEDIASWEEP_TIMEOUT === String(props.timeout), 'MEDIASWEEP_TIMEOUT is not the timeout of the function');
  want(Object.keys(environment).every((name) => !name.startsWith('FC_')), 'FC_ is reserved for the platform');

  const state = /^oss:\/\/([^/]+)\/(.+\/)$/.exec(environment.MEDIASWEEP_STATE);
  want(state, 'MEDIASWEEP_STATE is not oss://bucket/prefix/');
  const policy = environment.MEDIASWEEP_POLICY;
  want(/^\/code\/.|^oss:\/\/[^/]+\/./.test(policy), 'MEDIASWEEP_POLICY is neither a file of the package nor oss://bucket/key');
  want(!policy.startsWith(environment.MEDIASWEEP_STATE), 'the policy lies among the records');
  const watched = [];
  for (const { triggerName: name, triggerType: type, triggerConfig: config, sourceArn } of props.triggers) {
    if (type === 'http') {
      want(config.authType === environment.MEDIASWEEP_HTTP_AUTH, `${name}: MEDIASWEEP_HTTP_AUTH does not say what the trigger does`);
    } else if (type === 'timer') {
      want(/^CRON_TZ=\S+( \S+){6}$/.test(config.cronExpression), `${name}: want CRON_TZ and six fields`);
    } else if (type === 'oss') {
      const [, region, bucket] = /^acs:oss:([^:]+):\d+:([^:]+)$/.exec(sourceArn) || [];
      want(region === props.region, `${name}: the bucket must be in the function's region: ${sourceArn}`);
      const { prefix, suffix } = config.filter.key;
      want(!prefix.startsWith('/'), `${name}: a prefix must not start with /`);
      want(!(state && bucket === state[1] && state[2].startsWith(prefix)), `${name} watches the state: the function would wake itself`);
      for (const event of config.events) {
        const clash = watched.find((w) => w.bucket === bucket && w.event === event &&
          (w.prefix.startsWith(prefix) || prefix.startsWith(w.prefix)) && (w.suffix.endsWith(suffix) || suffix.endsWith(w.suffix)));
        want(!clash, `${name}: OSS lets no two triggers of a bucket overlap in ${event}`);
        watched.push({ bucket, event, prefix, suffix });
      }
    }
  }
  return wrong;
}

// Mistakes that a check must refuse; trigger finds the one to spoil.
const trigger = (props, type) => props.triggers.find((t) => t.triggerType === type);
const broken = {
  rules: {
    'state in the inbox': (p) => { p.environmentVariables.MEDIASWEEP_STATE = 'oss://' + trigger(p, 'oss').sourceArn.split(':').pop() + '/retention/inbox/state/'; },
    'a policy of the laptop': (p) => { p.environmentVariables.MEDIASWEEP_POLICY = 'retention.yaml'; },
    'a policy among the records': (p) => { p.environmentVariables.MEDIASWEEP_POLICY = p.environmentVariables.MEDIASWEEP_STATE + 'retention.yaml'; },
    'open HTTP trigger': (p) => { trigger(p, 'http').triggerConfig.authType = 'anonymous'; },
    'bucket elsewhere': (p) => { trigger(p, 'oss').sourceArn = 'acs:oss:us-west-1:1:ops'; },
    'overlapping triggers': (p) => { p.triggers.push(trigger(p, 'oss')); },
    'two instances': (p) => { p.concurrencyConfig.reservedConcurrency = 2; },
    'an event older than FC keeps it': (p) => { p.asyncInvokeConfig.maxAsyncEventAgeInSeconds = 604801; },
    'a time limit of its own': (p) => { p.environmentVariables.MEDIASWEEP_TIMEOUT = '60'; },
    'a cron of five fields': (p) => { trigger(p, 'timer').triggerConfig.cronExpression = 'CRON_TZ=UTC 0 4 * * *'; },
  },
  schema: {
    'a number as text': (p) => { p.timeout = '60'; },
    'no code': (p) => { delete p.code; },
    'an unknown region': (p) => { p.region = 'cn-nowhere'; },
    'an event that OSS lacks': (p) => { trigger(p, 'oss').triggerConfig.events.push('oss:ObjectRemoved:*'); },
    'no suffix': (p) => { delete trigger(p, 'oss').triggerConfig.filter.key.suffix; },
    'no cron': (p) => { delete trigger(p, 'timer').triggerConfig.cronExpression; },
    'an unknown authType': (p) => { trigger(p, 'http').triggerConfig.authType = 'none'; },
    'an unknown method': (p) => { trigger(p, 'http').triggerConfig.methods.push('CONNECT'); },
  },
};

const [kind, ...files] = process.argv.slice(2);
const check = kind === 'rules' ? againstRules : againstSchema(kind);
for (const file of files) {
  const [{ props }] = Object.values(JSON.parse(fs.readFileSync(file, 'utf8')).resources);
  const wrong = check(props);
  const mistakes = Object.entries(broken[kind === 'rules' ? 'rules' : 'schema']);
  for (const [name, spoil] of mistakes) {
    const spoiled = structuredClone(props);
    spoil(spoiled);
    if (check(spoiled).length <= wrong.length) wrong.push(`the check itself is broken: it does not see ${name}`);
  }
  console.log(`${props.functionName} in ${props.region}, ${props.triggers.length} triggers: ` +
    (wrong.length ? `wrong\n  ${wrong.join('\n  ')}` : `right, and ${mistakes.length} mistakes are seen`));
  if (wrong.length) process.exitCode = 1;
}
