// Reads a JSON list of resources, and writes a list of what is wrong with each, by the schemas of their own projects.
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { readFileSync } from "node:fs";

const models = { PodMonitor, ServiceMonitor, ScaledObject };
const check = (resource) => {
  try {
    new models[resource.kind](resource).validate();
    return null;
  } catch (error) {
    return error.message;
  }
};
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(check)));
