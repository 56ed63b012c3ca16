using Kedge.Demo;

namespace Kedge.Tests.Demo;

public class OwnerTests
{
    private const int LargestProcessId = 1 << 22;
    private const int StartsThatDiffer = 36 * 36 * 36;

    [Theory]
    [InlineData(1, 0, 1)]
    [InlineData(12153, 3402685, 38)]
    [InlineData(LargestProcessId, StartsThatDiffer - 1, 46_655)]
    public void An_interface_is_its_owners(int processId, long start, int number)
    {
        string name = new Owner(processId, start).InterfaceName(number);

        Assert.InRange(name.Length, 1, 15);
        Assert.Equal(new Owner(processId, start % StartsThatDiffer), Owner.OfInterface(name));
    }

    [Fact]
    public void No_interface_is_taken_for_another_owners()
    {
        for (int start = 0; start < StartsThatDiffer; start += 7)
        {
            foreach (int number in (int[])[1, 35, 36, 1295, 1296])
                Assert.Equal(new Owner(12153, start), Owner.OfInterface(new Owner(12153, start).InterfaceName(number)));
        }
    }

    [Theory]
    [InlineData("wg0")]
    [InlineData("kt0")]
    [InlineData("kedge0")]
    [InlineData("kt0000a12")]
    public void What_has_another_form_is_nobodys(string name) => Assert.Null(Owner.OfInterface(name));
}
