using System.Net;
using Kedge.Protocol.Api;

namespace Kedge.SystemTests.Control;

/// <summary>A controller whose disk is full goes on with what it has, says so, and recovers.</summary>
public class DiskFullTests
{
    [Fact]
    public async Task A_full_disk_refuses_changes_and_nothing_else_until_there_is_room()
    {
        using ControllerProcess controller = ControllerProcess.StartOnSmallDisk("3m");
        using HttpClient administrator = controller.CreateAdministrator();
        List<string> made = [];
        HttpResponseMessage answer;
        while (true)
        {
            string name = $"zone-{made.Count}";
            answer = await administrator.CallAsync(HttpMethod.Post, "/api/v1/zones", new ZoneCreation { Name = name, Description = new string('x', 500), Prefixes = ["10.1.0.0/16"] });
            if (!answer.IsSuccessStatusCode)
                break;
            made.Add(name);
            Assert.True(made.Count < 20_000, "The disk does not become full.");
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("full", (await answer.ReadProblemAsync()).Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await administrator.CallAsync(HttpMethod.Get, "/health/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await administrator.CallAsync(HttpMethod.Get, "/health/live")).StatusCode);
        Assert.Contains("kedge_store_writable 0", await administrator.GetStringAsync("/metrics", TestContext.Current.CancellationToken), StringComparison.Ordinal);
        IReadOnlyList<Zone> zones = await administrator.ReadAsync<IReadOnlyList<Zone>>(HttpMethod.Get, "/api/v1/zones");
        Assert.Equal(made.Append("default").Order(StringComparer.Ordinal), zones.Select(zone => zone.Name).Order(StringComparer.Ordinal));

        File.Delete($"/proc/{controller.Process.ProcessId}/root/mnt/ballast");

        await administrator.ReadAsync<Zone>(HttpMethod.Post, "/api/v1/zones", new ZoneCreation { Name = "after", Prefixes = ["10.1.0.0/16"] });
        Assert.Equal(HttpStatusCode.OK, (await administrator.CallAsync(HttpMethod.Get, "/health/ready")).StatusCode);
        Assert.Equal(0, controller.Process.Stop().ExitCode);
    }
}
