document.documentElement.dataset["throughline"] = "";
