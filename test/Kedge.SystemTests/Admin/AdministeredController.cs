using System.Text.Json;
using Kedge.Demo;
using Kedge.Protocol.Api;
using Kedge.SystemTests.Control;
using Kedge.SystemTests.Wg;

namespace Kedge.SystemTests.Admin;

/// <summary>A controller on this host's loopback, and an administrator's calls of the program.</summary>
public sealed class AdministeredController : IDisposable
{
    /// <summary>An address where nobody listens.</summary>
    public const string Nowhere = "https://127.0.0.1:1";

    private readonly ControllerProcess _controller;
    private readonly HttpClient _administrator;

    public AdministeredController()
    {
        _controller = ControllerProcess.Start(Net);
        _administrator = _controller.CreateAdministrator();
        Pin = _controller.Process.WaitForLine("join line  ", ControllerProcess.Patience).Split("pin=")[1];
        Run("login", "--data-dir", DataDirectory);
    }

    /// <summary>For its folder, and for hosts that a test needs.</summary>
    public Topology Net { get; } = Topology.Create();

    public string Url => _controller.Url.GetLeftPart(UriPartial.Authority);

    /// <summary>The pin of a join line, as the controller shows it when it starts.</summary>
    public string Pin { get; }

    public string DataDirectory => _controller.DataDirectory;

    public string TokenFile => Path.Combine(DataDirectory, "administrator.token");

    public string LoginFile => Path.Combine(Net.TempFolder, "config", "kedge", "login.json");

    /// <summary>A call with a login of its own.</summary>
    public Command Call(params string[] arguments) => KedgeProgram.Call(Net, arguments) with
    {
        Environment = new Dictionary<string, string>
        {
            ["XDG_CONFIG_HOME"] = Path.Combine(Net.TempFolder, "config"),
            ["KEDGE_LOGIN_FILE"] = "",
        },
    };

    /// <summary>Calls the program, which must succeed.</summary>
    public CommandResult Run(params string[] arguments) => Run(Call(arguments));

    /// <inheritdoc cref="Run(string[])"/>
    public static CommandResult Run(Command call)
    {
        CommandResult result = RunningProcess.Run(call);
        Assert.True(result.Succeeded, $"{call}\n{result.Error}{result.Output}");
        return result;
    }

    /// <summary>Calls the program with <c>--json</c> and reads what it prints.</summary>
    public JsonElement Json(params string[] arguments)
    {
        using var document = JsonDocument.Parse(Run([.. arguments, "--json"]).Output);
        return document.RootElement.Clone();
    }

    /// <summary>Calls the program, which must refuse in a sentence for a person.</summary>
    /// <returns>What it says.</returns>
    public string Refusal(int exitCode, params string[] arguments) => Refusal(exitCode, RunningProcess.Run(Call(arguments)));

    /// <summary>What a call was told that must have been refused, in a sentence for a person.</summary>
    public static string Refusal(int exitCode, CommandResult result)
    {
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.StartsWith("kedge: ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        return result.Error;
    }

    /// <summary>A name that no other test uses.</summary>
    public static string NewName(string prefix) => $"{prefix}-{Guid.NewGuid().ToString("N")[..8]}";

    /// <summary>A new zone, which the API is asked for: half a second less than by the program.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> NewZoneAsync()
    {
        var zone = new ZoneCreation { Name = NewName("zone"), Prefixes = ["10.7.0.0/24"] };
        await _administrator.ReadAsync<Zone>(HttpMethod.Post, "/api/v1/zones", zone);
        return zone.Name;
    }

    /// <summary>A new stock WireGuard peer in a zone, as <see cref="NewZoneAsync"/> makes one.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> NewNodeAsync(string zone, params string[] addresses)
    {
        var node = new NodeCreation
        {
            Name = NewName("node"),
            Zone = zone,
            WireGuardKey = WireGuardKeys.Generate().PublicKey,
            RequestedAddresses = addresses,
        };
        await _administrator.ReadAsync<RegisteredNode>(HttpMethod.Post, "/api/v1/nodes", node);
        return node.Name;
    }

    public void Dispose()
    {
        _administrator.Dispose();
        _controller.Dispose();
        Net.Dispose();
    }
}
