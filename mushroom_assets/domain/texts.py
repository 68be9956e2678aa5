"""What reports and the UI say, in each language.

A placeholder stands for a value; who fills it in says which.
"""

from mushroom_assets.domain.farm import Language

DECIMALS = {"ppm": 0, "%": 1, "°C": 1, "kPa": 3}  # that a grower can act on; of other units 2
TEXTS: dict[str, dict[Language, str]] = {
    "good": {"en": "good", "zh": "良好"},
    "watch": {"en": "watch", "zh": "留意"},
    "act": {"en": "act", "zh": "需处理"},
    "insufficient_data": {"en": "insufficient data", "zh": "数据不足"},
    "room": {"en": "Room {room}, {day}: {verdict}", "zh": "{room} 库 {day}：{verdict}"},
    "growth": {"en": "growth day {day}, batch of {batch}", "zh": "生长第 {day} 天，{batch} 入库"},
    "no_batch": {"en": "no batch known", "zh": "无批次信息"},
    "no_samples": {"en": "no samples of {quantity}", "zh": "{quantity}无采样数据"},
    "coverage": {
        "en": "{quantity} is known for {share:.0%} of the day only (at least {limit:.0%} needed)",
        "zh": "{quantity}全天仅 {share:.0%} 的时间有数据（至少需要 {limit:.0%}）",
    },
    "no_target": {
        "en": "no target band for this day: {growth}",
        "zh": "当天没有目标区间：{growth}",
    },
    "in_range": {
        "en": "{quantity} in its band of {low:g} to {high:g} {unit} for {share:.0%} of the known time",
        "zh": "{quantity}处于目标区间 {low:g}~{high:g} {unit} 的时间占 {share:.0%}",
    },
    "suspect": {
        "en": "{share:.0%} of the {quantity} samples look like spikes or a stuck sensor",
        "zh": "{share:.0%} 的{quantity}采样疑似尖峰或传感器卡死",
    },
    "condition": {
        "en": "{share:.0%} of the images show {condition}",
        "zh": "{share:.0%} 的图像显示{condition}",
    },
    "unreadable": {
        "en": "{count} of {total} images could not be read",
        "zh": "{total} 张图像中有 {count} 张无法读取",
    },
    "all_good": {
        "en": "every quantity within its band for at least {limit:.0%} of the known time",
        "zh": "各项指标至少 {limit:.0%} 的时间处于目标区间",
    },
    "columns": {
        "en": "| quantity | mean | min | max | in range | known |",
        "zh": "| 指标 | 均值 | 最小 | 最大 | 达标 | 有数据 |",
    },
    "changes": {"en": "Setpoint changes: {count}", "zh": "设定变更：{count} 次"},
    "more": {"en": "and {count} more", "zh": "另有 {count} 次"},
    "images": {"en": "Images: {count}, mostly {stage}", "zh": "图像：{count} 张，多为{stage}"},
    "no_images": {"en": "No images", "zh": "无图像"},
    "untrained": {
        "en": "Images: {count}, not judged (the CLIP model has random weights)",
        "zh": "图像：{count} 张，未作判断（CLIP 模型为随机权重）",
    },
    "alike": {
        "en": "Looked most like room {room} on {day} ({details})",
        "zh": "看起来最像 {room} 库 {day}（{details}）",
    },
    "alike_growth": {"en": "growth day {day}", "zh": "生长第 {day} 天"},
    "alike_similarity": {"en": "similarity {similarity:.2f}", "zh": "相似度 {similarity:.2f}"},
    "alike_verdict": {"en": "verdict {verdict}", "zh": "结论：{verdict}"},
    "ribbons": {"en": "the day of every room", "zh": "各库房的一天"},
    "not_drawn": {
        "en": "A long run does not draw every day. Materialize this day alone to see its picture.",
        "zh": "长区间运行不会绘制每一天。单独物化这一天即可看到它的图。",
    },
    "in_band": {"en": "{share:.0%} in band", "zh": "达标 {share:.0%}"},
    "known": {"en": "{share:.0%} known", "zh": "有数据 {share:.0%}"},
    "no_data": {"en": "no data", "zh": "无数据"},
    "median": {"en": "median of 15 min", "zh": "15 分钟中位数"},
    "quartiles": {"en": "quartiles", "zh": "四分位区间"},
    "extremes": {"en": "min–max", "zh": "最小–最大"},
    "band": {"en": "target band", "zh": "目标区间"},
    "time": {"en": "time", "zh": "时间"},
    "move": {"en": "move", "zh": "变更"},
    "followed": {
        "en": "Climate: mean of the 60 minutes before → after the move.",
        "zh": "环境值：变更前 60 分钟均值 → 变更后 60 分钟均值。",
    },
    "peers": {
        "en": "Earlier batches at growth day {day} (mean, share in range)",
        "zh": "往期批次生长第 {day} 天对比（均值，达标率）",
    },
    "no_peers": {
        "en": "No earlier batch was recorded at growth day {day}.",
        "zh": "没有往期批次生长第 {day} 天的记录。",
    },
    "no_peers_without_batch": {
        "en": "No batch, so none to compare with.",
        "zh": "无批次，无法对比。",
    },
    "batch_heading": {"en": "batch", "zh": "批次"},
    "verdict_heading": {"en": "verdict", "zh": "结论"},
    "in_range_short": {"en": "in band:", "zh": "达标："},
    "newest": {"en": "The newest report is of {link}.", "zh": "最新报告：{link}。"},
    "room_heading": {"en": "room", "zh": "库房"},
    "growth_heading": {"en": "growth day", "zh": "生长天数"},
    "comma": {"en": ", ", "zh": "，"},
}
QUANTITIES: dict[str, dict[Language, str]] = {
    "temperature": {"en": "temperature", "zh": "温度"},
    "humidity": {"en": "humidity", "zh": "湿度"},
    "co2": {"en": "CO2", "zh": "CO2"},
    "vpd": {"en": "VPD", "zh": "水汽压差"},
    "dew_point": {"en": "dew point", "zh": "露点"},
}


def text(key: str, language: Language) -> str:
    """A text with its placeholders."""
    return TEXTS[key][language]


def quantity_name(quantity: str, language: Language) -> str:
    """What people call a quantity; its key where there is no other name."""
    return QUANTITIES.get(quantity, {}).get(language, quantity)


def number_text(value: float | None, unit: str) -> str:
    """A number with its unit, to as many decimals as a grower can act on; a dash where there is
    none.
    """
    return "–" if value is None else f"{value:.{DECIMALS.get(unit, 2)}f} {unit}"


def share_text(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if value is None else f"{value:.0%}"


def known_text(coverage: float, language: Language) -> str:
    """How much of a day is known: `62% known`, and nothing where rounded that is all of it."""
    return text("known", language).format(share=coverage) if coverage < 0.995 else ""
