using System.CommandLine;
using System.Text.Json;
using Kedge.Commands.Admin;
using Kedge.Node.Supervision;

namespace Kedge.Commands.Service;

/// <summary><c>kedge service status</c>.</summary>
internal sealed class ServiceStatusCommand : Command
{
    private readonly Option<bool> _json = new("--json") { Description = "Print a JSON array of services." };
    private readonly Option<string?> _root = ServiceRoot.Option();

    public ServiceStatusCommand()
        : base(
            "status",
            "Show which services are installed and running. The exit code is 0 if every enabled service is running.")
    {
        Options.Add(_json);
        Options.Add(_root);
        SetAction(Run);
    }

    private sealed record Service(string Kind, string? Interface, IReadOnlyList<UnitState> Units)
    {
        public bool IsEnabled => Units.All(unit => unit.IsEnabled);

        public bool IsRunning => Units.All(unit => unit.IsActive);

        /// <summary>That it does not run, with the states of its units where they are known.</summary>
        public string NotRunning =>
            Units.Select(unit => unit.ActiveState).Where(state => state.Length > 0).Distinct().ToArray() is { Length: > 0 } states
                ? $"no ({string.Join(", ", states)})" : "no";

        /// <summary>Since when all of it runs.</summary>
        public DateTimeOffset? Since => IsRunning ? Units.Max(unit => unit.ActiveSince) : null;
    }

    private int Run(ParseResult call)
    {
        ServiceRoot root = ServiceRoot.Of(call, _root);
        Service[] services = [.. Find(root)];
        Console.Out.Write(call.GetValue(_json) ? StatusJson.Write(json => Write(json, services)) : TextTable.Format(
            ["SERVICE", "INTERFACE", "ENABLED", "RUNNING", "SINCE"],
            services.Select(service => (string[])
            [
                service.Kind, service.Interface ?? "-", service.IsEnabled ? "yes" : "no",
                service.IsRunning ? "yes" : service.NotRunning,
                service.Since?.ToString("u", System.Globalization.CultureInfo.InvariantCulture) ?? "-",
            ]),
            "No service of Kedge is installed. 'kedge service install controller' or 'kedge service install node' installs one."));
        return !root.IsRunning || services.All(service => service.IsRunning || !service.IsEnabled) ? 0 : 1;
    }

    private static IEnumerable<Service> Find(ServiceRoot root)
    {
        UnitState controller = State(root, Systemctl.ControllerUnit);
        if (root.HasUnit(Systemctl.ControllerUnit) && (controller.IsEnabled || controller.ActiveState is not ("inactive" or "")))
            yield return new Service("controller", null, [controller]);
        foreach (string name in root.EnabledInterfaces().Concat(ActiveInterfaces(root)).Distinct().Order(StringComparer.Ordinal))
            yield return new Service("node", name, [.. Systemctl.NodeUnits(name).Select(unit => State(root, unit))]);
    }

    private static UnitState State(ServiceRoot root, string unit) => root.IsRunning
        ? root.Systemctl.Show(unit)
        : UnitState.Parse(unit, $"UnitFileState={root.Systemctl.FileState(unit)}");

    private static IEnumerable<string> ActiveInterfaces(ServiceRoot root) => !root.IsRunning ? [] :
        from line in root.Systemctl.Run("list-units", "--plain", "--no-legend", "kedge-node@*", "kedge-link@*").Split('\n')
        where line.StartsWith("kedge-", StringComparison.Ordinal)
        select ServiceRoot.InstanceOf(line.Split(' ')[0]);

    private static void Write(Utf8JsonWriter json, Service[] services)
    {
        json.WriteStartArray();
        foreach (Service service in services)
        {
            json.WriteStartObject();
            json.WriteString("service", service.Kind);
            json.WriteString("interface", service.Interface);
            json.WriteBoolean("installed", true);
            json.WriteBoolean("enabled", service.IsEnabled);
            json.WriteBoolean("running", service.IsRunning);
            WriteTime(json, service.Since);
            json.WriteStartArray("units");
            foreach (UnitState unit in service.Units)
            {
                json.WriteStartObject();
                json.WriteString("unit", unit.Name);
                json.WriteString("fileState", unit.FileState);
                json.WriteString("activeState", unit.ActiveState);
                json.WriteString("subState", unit.SubState);
                json.WriteString("status", unit.Status);
                WriteTime(json, unit.ActiveSince);
                json.WriteNumber("restarts", unit.Restarts);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteTime(Utf8JsonWriter json, DateTimeOffset? since)
    {
        if (since is { } time)
            json.WriteString("since", time);
        else
            json.WriteNull("since");
    }
}
