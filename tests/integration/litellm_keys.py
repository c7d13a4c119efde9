"""Which keys of a rendered configuration this version of LiteLLM does not know: as JSON, empty when it knows all.

It ignores unknown keys in silence, so a renamed one would be a limit that is no longer kept.
"""

import inspect
import json
import sys
from typing import get_type_hints

import yaml

import litellm
from litellm.caching.caching import Cache
from litellm.proxy._types import ConfigGeneralSettings
from litellm.router import Router
from litellm.types.router import Deployment, LiteLLM_Params
from litellm.types.router import ModelInfo as DeploymentInfo
from litellm.types.utils import BudgetConfig, ModelInfo, all_litellm_params

config = yaml.safe_load(open(sys.argv[1]))


def fields(model):
    return set(model.model_fields) | {f.alias for f in model.model_fields.values() if f.alias}


def parameters(function):
    return set(inspect.signature(function).parameters)


known = {
    "model_list": fields(Deployment),
    # all_litellm_params: what a call takes out of its arguments before it goes to the provider.
    "litellm_params": fields(LiteLLM_Params) | set(all_litellm_params),
    "model_info": fields(DeploymentInfo) | set(get_type_hints(ModelInfo)),
    "litellm_settings": set(vars(litellm)),
    "cache_params": parameters(Cache.__init__),
    "router_settings": parameters(Router.__init__),
    "general_settings": fields(ConfigGeneralSettings),
}
unknown = {}


def look(section, keys):
    missing = sorted(set(keys) - known[section])
    if missing:
        unknown[section] = sorted(set(unknown.get(section, [])) | set(missing))


for deployment in config["model_list"]:
    look("model_list", deployment)
    look("litellm_params", deployment["litellm_params"])
    look("model_info", deployment["model_info"])
settings = config["litellm_settings"]
look("litellm_settings", set(settings) - {"cache_params"})
look("cache_params", settings["cache_params"])
router = config["router_settings"]
look("router_settings", router)
for budget in router.get("provider_budget_config", {}).values():
    # Its constructor takes older names, too, and drops those that it does not know.
    read = BudgetConfig(**budget)
    if read.max_budget is None or read.budget_duration is None:
        unknown["provider_budget_config"] = sorted(budget)
look("general_settings", config["general_settings"])
print(json.dumps(unknown))
