using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Kedge.Control;

/// <summary>
/// The numbers of one controller, in the text format of Prometheus (version 0.0.4). Instruments are made from <see cref="Meter"/> by whoever counts; their
/// names are written with underscores for points, and <c>_total</c> behind counters. Any thread.
/// </summary>
internal sealed class Metrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, Instrument> _instruments = new();
    private readonly ConcurrentDictionary<(string Name, string Labels), double> _values = new();

    public Metrics()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!ReferenceEquals(instrument.Meter, Meter))
                return;
            _instruments[instrument.Name] = instrument;
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>What instruments are made from: counters and gauges of <see cref="long"/> or <see cref="double"/>.</summary>
    public Meter Meter { get; } = new("Kedge.Control");

    /// <summary>All numbers as of now.</summary>
    public string Write()
    {
        foreach ((string Name, string Labels) key in _values.Keys.Where(key => _instruments[key.Name].IsObservable))
            _values.TryRemove(key, out _);
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach ((string name, Instrument instrument) in _instruments.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            bool counts = IsCounter(instrument);
            string written = name.Replace('.', '_') + (counts ? "_total" : "");
            text.Append(CultureInfo.InvariantCulture, $"# HELP {written} {instrument.Description}\n# TYPE {written} {(counts ? "counter" : "gauge")}\n");
            foreach (((string _, string labels), double value) in _values.Where(entry => entry.Key.Name == name).OrderBy(entry => entry.Key.Labels, StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"{written}{labels} {value}\n");
        }
        return text.ToString();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _listener.Dispose();
        Meter.Dispose();
    }

    private static bool IsCounter(Instrument instrument) =>
        instrument is Counter<long> or Counter<double> or ObservableCounter<long> or ObservableCounter<double>;

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        (string, string) key = (instrument.Name, LabelsOf(tags));
        if (instrument is Counter<long> or Counter<double>)
            _values.AddOrUpdate(key, value, (_, before) => before + value);
        else
            _values[key] = value;
    }

    private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty)
            return "";
        var text = new StringBuilder("{");
        foreach ((string name, object? value) in tags)
        {
            string escaped = Convert.ToString(value, CultureInfo.InvariantCulture)!.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n");
            text.Append(text.Length > 1 ? "," : "").Append(name).Append("=\"").Append(escaped).Append('"');
        }
        return text.Append('}').ToString();
    }
}
