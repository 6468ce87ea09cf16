// Compute many manifests in one process, each as if-run does it: read JSON [manifest, ...] from the file named first,
// write JSON [{tree} or {error}, ...] to the file named second. The third argument is the package's folder.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const [source, target, folder] = process.argv.slice(2);
const from = name => require(path.join(folder, 'build', name));
const {validateManifest} = from('common/util/validations');
const {executeWithContext} = from('common/util/storage');
const {initialize} = from('if-run/lib/initialize');
const {compute} = from('if-run/lib/compute');
const {aggregate} = from('if-run/lib/aggregate');

const one = async manifest => {
  try {
    const {tree, ...context} = validateManifest(manifest);
    const pluginStorage = await initialize(context);
    const computed = await compute(tree, {context, pluginStorage});
    return {tree: aggregate(computed, context.aggregation)};
  } catch (error) {
    return {error: error.toString()};
  }
};

const all = async () => {
  const answers = [];
  for (const manifest of JSON.parse(fs.readFileSync(source, 'utf8'))) {
    // Methods of aggregation are kept for the whole process, unless each manifest has a context of its own.
    answers.push(await executeWithContext(() => one(manifest)));
  }
  fs.writeFileSync(target, JSON.stringify(answers));
};

for (const name of ['debug', 'info', 'log', 'warn', 'error']) console[name] = () => {};
all();
