package dev.moe4j.report.ladder;

import dev.moe4j.report.statistics.TrainedModel;
import dev.moe4j.study.steps.StudyIndex;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Writes every measured value of the trained models as CSV (RFC 4180), one value per line. */
final class StudyCsv {

    private static final String HEADER =
            "model,data,experts,parameters_total,parameters_active,tokens,seed,flops,published_flops,seconds,joules,"
                    + "joules_measured,measure,name,figure,value,low,high\n";

    private StudyCsv() {}

    static String of(List<TrainedModel> trained) {
        StringBuilder csv = new StringBuilder(HEADER);
        for (TrainedModel each : trained) {
            StudyIndex.Run run = each.run();
            String prefix = String.join(
                    ",",
                    quoted(run.model()),
                    quoted(run.data()),
                    Integer.toString(run.experts()),
                    Long.toString(run.parametersTotal()),
                    Long.toString(run.parametersActive()),
                    Long.toString(run.tokens()),
                    Long.toString(run.seed()),
                    Double.toString(each.flops()),
                    Double.toString(run.publishedFlopsPerToken() * run.tokens()),
                    Double.toString(each.seconds()),
                    Double.toString(each.joules()),
                    Boolean.toString(each.measuredJoules() != null));
            line(csv, prefix, "training", "", "loss", each.loss(), Double.NaN, Double.NaN);
            each.texts().forEach((name, text) -> {
                String measure = text.inDomain() ? "in_domain" : "out_of_domain";
                line(csv, prefix, measure, name, "ppl", text.perplexity(), Double.NaN, Double.NaN);
                line(csv, prefix, measure, name, "bits_per_byte", text.bitsPerByte(), Double.NaN, Double.NaN);
                line(csv, prefix, measure, name, "training_overlap", text.overlap(), Double.NaN, Double.NaN);
            });
            tasks(csv, prefix, "zero_shot", each.zeroShot());
            tasks(csv, prefix, "few_shot", each.fewShot());
            tasks(csv, prefix, "bias", each.bias());
            for (TrainedModel.FineTuned tuned : each.fineTuned()) {
                JsonNode figure = tuned.output().path("fine_tuned");
                line(
                        csv,
                        prefix,
                        "fine_tuned",
                        tuned.name(each.fineTuned()),
                        tuned.output().path("figure").asString(""),
                        figure.path("mean").asDouble(Double.NaN),
                        figure.path("low").asDouble(Double.NaN),
                        figure.path("high").asDouble(Double.NaN));
            }
        }
        return csv.toString();
    }

    private static void tasks(
            StringBuilder csv, String prefix, String measure, Map<String, TrainedModel.TaskScore> scores) {
        scores.forEach((name, score) -> {
            for (TrainedModel.TaskFigure figure : score.figures()) {
                line(csv, prefix, measure, name, figure.name(), figure.mean(), figure.low(), figure.high());
            }
            line(csv, prefix, measure, name, "left_out", score.leftOut(), Double.NaN, Double.NaN);
            line(csv, prefix, measure, name, "cut_prompts", (double) score.cutPrompts(), Double.NaN, Double.NaN);
        });
    }

    private static void line(
            StringBuilder csv,
            String prefix,
            String measure,
            String name,
            String figure,
            double value,
            double low,
            double high) {
        csv.append(prefix)
                .append(',')
                .append(measure)
                .append(',')
                .append(quoted(name))
                .append(',')
                .append(quoted(figure))
                .append(',')
                .append(number(value))
                .append(',')
                .append(number(low))
                .append(',')
                .append(number(high))
                .append('\n');
    }

    private static String number(double value) {
        return Double.isFinite(value) ? Double.toString(value) : "";
    }

    private static String quoted(String text) {
        return text.matches("[^,\"\\r\\n]*") ? text : "\"" + text.replace("\"", "\"\"") + "\"";
    }
}
