// Calls our server through clients of the Perspective API: node call.js ADDRESS KEY < requests
// Each request is {client, text, options} or {client, body}; prints what each gave, or its error.
'use strict';
const axios = require('axios');
const Perspective = require('perspective-api-client');
const {Discovery} = require('googleapis-common');

const [address, key] = process.argv.slice(2);

// This client has its address built in. What its users change is these three lines.
axios.interceptors.request.use(config => ({
  ...config,
  url: config.url.replace('https://commentanalyzer.googleapis.com', address),
}));

const clients = {
  'perspective-api-client': ({text, options}) => new Perspective({apiKey: key}).analyze(text, options),
  googleapis: async ({body}) => {
    const discovered = await new Discovery().discoverAPI(`${address}/$discovery/rest?version=v1alpha1&key=${key}`);
    const answer = await discovered({}).comments.analyze({key, resource: body});
    return answer.data;
  },
};

async function call(request) {
  try {
    return {answer: await clients[request.client](request)};
  } catch (error) {
    return {error: error.message, status: error.response && error.response.status};
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const requests = JSON.parse(Buffer.concat(chunks));
  const outcomes = [];
  for (const request of requests) outcomes.push(await call(request));
  process.stdout.write(JSON.stringify(outcomes));
}

main();
