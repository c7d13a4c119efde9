#!/usr/bin/env python3
"""Reads which flags, values and parsers a version of vLLM knows, from its own package, without running it.

    vllm_flags.py VERSION > config/engine-flags/vllm.json      (downloads the wheel, about 340 MB)
"""
import ast
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

ENGINE_ARGS = "vllm/engine/arg_utils.py"
SERVER_ARGS = "vllm/entrypoints/common/cli_args.py"
LITERALS = {
    "dtype": ("vllm/config/model.py", "ModelDType"),
    "kv_cache_dtype": ("vllm/config/cache.py", "CacheDType"),
    "speculative": ("vllm/config/speculative.py", "SpeculativeMethod"),
    "max_lora_rank": ("vllm/config/lora.py", "MaxLoRARanks"),
}
PARSERS = {
    "tool_parser": ("vllm/tool_parsers/__init__.py", "_TOOL_PARSERS_TO_REGISTER"),
    "reasoning_parser": ("vllm/reasoning/__init__.py", "_REASONING_PARSERS_TO_REGISTER"),
}


def engine_flags(tree):
    """Every flag that the source gives to add_argument. A yes-or-no one has a --no- form, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            for argument in node.args:
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("-"):
                    yield argument.value


def server_flags(tree):
    """The server's are the fields of its argument classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("FrontendArgs"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    yield "--" + field.target.id.replace("_", "-")


def named(tree, name):
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.value
    raise SystemExit(f"{name} is no longer where it was: look it up in this version and correct this script")


def values(tree, node):
    """The values of a Literal, those of the Literals it is made of included."""
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for one in inner:
        if isinstance(one, ast.Constant):
            yield one.value
        elif isinstance(one, ast.Name):
            yield from values(tree, named(tree, one.id))
        elif isinstance(one, ast.Subscript):
            yield from values(tree, one)


def main(version):
    with tempfile.TemporaryDirectory() as folder:
        download = ["pip", "download", "--quiet", "--no-deps", "--dest", folder, f"vllm=={version}"]
        subprocess.run([sys.executable, "-m", *download], check=True, stdout=sys.stderr)
        wheel = zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl")))
        tree = lambda path: ast.parse(wheel.read(path))
        flags = set(engine_flags(tree(ENGINE_ARGS))) | set(server_flags(tree(SERVER_ARGS)))
        flags |= {"--no-" + flag[2:] for flag in flags if flag.startswith(("--enable-", "--disable-"))}
        result = {"version": version, "flags": sorted(flags), "values": {}}
        for name, (path, literal) in LITERALS.items():
            parsed = tree(path)
            result["values"][name] = sorted(set(values(parsed, named(parsed, literal))), key=str)
        for name, (path, table) in PARSERS.items():
            result["values"][name] = sorted(key.value for key in named(tree(path), table).keys)
        result["environment"] = "VLLM_API_KEY" in wheel.read("vllm/envs.py").decode() and ["VLLM_API_KEY"] or []
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
